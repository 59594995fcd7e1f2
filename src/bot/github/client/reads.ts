import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { PullState } from "../../objects/contracts.ts";

type Name = { owner: string; name: string };

const Sha = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u);
const Placed = z.object({ id: z.int().positive() });
const Pull = z.object({
  state: z.enum(["open", "closed"]).catch("closed"),
  mergeable: z.boolean().nullable(),
  merge_commit_sha: Sha.nullable(),
  head: z.object({ sha: Sha, ref: z.string(), repo: Placed.nullish() }),
  base: z.object({ sha: Sha, ref: z.string(), repo: Placed }),
  draft: z.boolean().nullish(),
  user: z.object({ login: z.string() }).nullish(),
});

export async function pull(
  octokit: Octokit,
  { owner, name }: Name,
  number: number,
): Promise<PullState> {
  const read = Pull.parse(
    (await octokit.rest.pulls.get({ owner, repo: name, pull_number: number })).data,
  );
  return {
    state: read.state,
    head: read.head.sha,
    headRef: read.head.ref,
    base: read.base.sha,
    baseRef: read.base.ref,
    // Not knowing where the head is (its repository is gone) is the same as a fork.
    fork: read.head.repo?.id !== read.base.repo.id,
    draft: read.draft ?? false,
    author: read.user?.login ?? "ghost",
    merge: mergeOf(read),
  };
}

/** GitHub computes the merge when it is asked for, and says null until then; `merge_commit_sha` may be an older one. */
function mergeOf({ mergeable, merge_commit_sha: sha }: z.infer<typeof Pull>): PullState["merge"] {
  if (mergeable === false) return { kind: "conflict" };
  return mergeable === true && sha !== null ? { kind: "ready", sha } : { kind: "pending" };
}

const Commit = z.object({
  tree: z.object({ sha: Sha }),
  parents: z.array(z.object({ sha: Sha })),
  committer: z.object({ date: z.iso.datetime({ offset: true }) }).optional(),
});

export async function commit(
  octokit: Octokit,
  { owner, name }: Name,
  sha: string,
): Promise<{ tree: string; parents: string[]; committedAt?: number }> {
  const read = Commit.parse(
    (await octokit.rest.git.getCommit({ owner, repo: name, commit_sha: sha })).data,
  );
  return {
    tree: read.tree.sha,
    parents: read.parents.map((parent) => parent.sha),
    ...(read.committer === undefined
      ? {}
      : { committedAt: Math.floor(Date.parse(read.committer.date) / 1_000) }),
  };
}

const File = z.object({
  type: z.literal("file"),
  encoding: z.literal("base64"),
  content: z.string(),
});
/** A folder is a list; links that lead nowhere in the repository and submodules say what they are; more than 1 MB comes without content. */
const NoFile = z.union([
  z.array(z.unknown()).transform(() => "a folder"),
  z.object({ type: z.enum(["symlink", "submodule"]) }).transform(({ type }) => `a ${type}`),
  z
    .object({ type: z.literal("file"), encoding: z.literal("none") })
    .transform(() => "larger than GitHub gives out"),
]);
const Head = z.object({ sha: Sha });

/**
 * The text is read at a commit, so that both belong together. Where `ref` is expected to be at a commit, the file is
 * read there while GitHub is asked where it is; it counts only when they agree.
 */
export async function file(
  octokit: Octokit,
  name: Name,
  path: string,
  ref: string,
  expected: string | null,
): Promise<{ text: string | null; commit: string; problem?: string }> {
  // A commit does not move, and GitHub takes no branch that is named like one.
  if (Sha.safeParse(ref).success)
    return { ...(await textAt(octokit, name, path, ref)), commit: ref };
  const early = expected === null ? null : textAt(octokit, name, path, expected);
  // Looked at only when it counts.
  early?.catch(() => {});
  const { data } = await octokit.rest.repos.getCommit({
    owner: name.owner,
    repo: name.name,
    ref,
    per_page: 1,
  });
  const head = Head.parse(data).sha;
  const text =
    early !== null && head === expected ? await early : await textAt(octokit, name, path, head);
  return { ...text, commit: head };
}

async function textAt(
  octokit: Octokit,
  { owner, name }: Name,
  path: string,
  commitSha: string,
): Promise<{ text: string | null; problem?: string }> {
  const answer: { data: unknown } = await octokit.request(
    "GET /repos/{owner}/{repo}/contents/{+path}",
    { owner, repo: name, path, ref: commitSha },
  );
  const odd = NoFile.safeParse(answer.data);
  if (odd.success) return { text: null, problem: `must be a file, and is ${odd.data}` };
  const { content } = File.parse(answer.data);
  const bytes = Uint8Array.from(atob(content.replaceAll(/\s/gu, "")), (c) => c.charCodeAt(0));
  return { text: new TextDecoder().decode(bytes) };
}

const Folder = z.array(z.object({ name: z.string(), type: z.string() }));

/** What is in a folder, at a commit; GitHub tells the first thousand entries. Nothing for what is no folder. */
export async function entries(
  octokit: Octokit,
  { owner, name }: Name,
  path: string,
  commitSha: string,
): Promise<{ name: string; isFolder: boolean }[]> {
  const answer: { data: unknown } = await octokit.request(
    "GET /repos/{owner}/{repo}/contents/{+path}",
    { owner, repo: name, path, ref: commitSha },
  );
  const read = Folder.safeParse(answer.data);
  return (read.data ?? []).map((entry) => ({ name: entry.name, isFolder: entry.type === "dir" }));
}

/** `role_name` where GitHub gives it: `permission` folds maintain into write and triage into read. */
const Permission = z.object({
  role_name: z.string().optional(),
  permission: z.string(),
  user: z.object({ id: z.int() }).nullish(),
});

/** @param id whose the login was; 0 where that is not known */
export async function role(
  octokit: Octokit,
  { owner, name }: Name,
  login: string,
  id = 0,
): Promise<string> {
  const read = Permission.parse(
    (
      await octokit.rest.repos.getCollaboratorPermissionLevel({
        owner,
        repo: name,
        username: login,
      })
    ).data,
  );
  // The login may have passed to somebody else since.
  if (id !== 0 && read.user?.id !== id) return "none";
  return read.role_name ?? read.permission;
}

const Repository = z.object({
  id: z.int(),
  name: z.string(),
  owner: z.object({ login: z.string() }),
  private: z.boolean(),
  visibility: z.string().optional(),
});

/** By id: a name may have passed to another repository. Anything but public counts as private. */
export async function visibility(
  octokit: Octokit,
  repository: number,
): Promise<{ private: boolean; owner: string; name: string }> {
  const read = Repository.parse(
    (await octokit.request("GET /repositories/{repository_id}", { repository_id: repository }))
      .data,
  );
  if (read.id !== repository)
    throw new TypeError(`asked for repository ${repository}, got ${read.id}`);
  return {
    private: read.private || (read.visibility !== undefined && read.visibility !== "public"),
    owner: read.owner.login,
    name: read.name,
  };
}
