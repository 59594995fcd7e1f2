import * as z from "zod";

/** GitHub's payloads, as far as they are read. Tolerant: whatever else they carry, or will, is passed over. */

const Sha = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u);
const Id = z.int().positive();

export const Common = z.object({
  action: z.string().nullish(),
  repository: z
    .object({
      id: Id,
      name: z.string(),
      private: z.boolean(),
      default_branch: z.string().nullish(),
      clone_url: z.string(),
      updated_at: z.string().nullish().catch(null),
      owner: z.object({ id: Id, login: z.string().nullish(), name: z.string().nullish() }),
    })
    .nullish(),
  installation: z.object({ id: Id }).nullish(),
  sender: z.object({ id: Id, login: z.string(), type: z.string() }).nullish(),
});
export type Common = z.infer<typeof Common>;

export const Push = z.object({
  ref: z.string(),
  before: Sha,
  after: Sha,
  deleted: z.boolean(),
  repository: z.object({ pushed_at: z.union([z.number(), z.string()]).nullish() }),
});

export const PullRequest = z.object({
  before: Sha.nullish(),
  changes: z.object({ base: z.unknown().optional() }).nullish(),
  pull_request: z.object({
    number: z.int().positive(),
    state: z.enum(["open", "closed"]),
    merged: z.boolean().nullish(),
    draft: z.boolean().nullish(),
    updated_at: z.string(),
    closed_at: z.string().nullish(),
    user: z.object({ login: z.string() }).nullish(),
    head: z.object({ sha: Sha, ref: z.string(), repo: z.object({ id: Id }).nullish() }),
    base: z.object({ sha: Sha, ref: z.string(), repo: z.object({ id: Id }).nullish() }),
  }),
});

export const MergeGroup = z.object({
  merge_group: z.object({ head_sha: Sha, head_ref: z.string(), base_sha: Sha }),
});

export const CheckRun = z.object({
  check_run: z.object({ id: Id, head_sha: Sha, external_id: z.string().nullish() }),
  requested_action: z.object({ identifier: z.string() }).nullish(),
});

export const CheckSuite = z.object({ check_suite: z.object({ head_sha: Sha }) });

export const IssueComment = z.object({
  // Its `author_association` is GitHub's guess, and not read.
  comment: z.object({
    id: Id,
    body: z.string().nullish(),
    created_at: z.string(),
    user: z.object({ id: Id, type: z.string() }).nullish(),
  }),
  issue: z.object({ number: z.int().positive(), pull_request: z.unknown().optional() }),
});

const Installed = z.object({
  id: Id,
  name: z.string(),
  full_name: z.string(),
  private: z.boolean(),
});
export const Installation = z.object({
  repositories: z.array(Installed).nullish(),
  repositories_added: z.array(Installed).nullish(),
  repositories_removed: z.array(Installed.pick({ id: true })).nullish(),
});
export type Installed = z.infer<typeof Installed>;
