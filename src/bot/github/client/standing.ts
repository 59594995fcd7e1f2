import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { Standing, StandingOf } from "../../objects/contracts.ts";
import { commit, pull } from "./reads.ts";

/** Pages of a commit's checks that are read, 100 in each; of a commit that has more nobody can say that all succeeded. */
const PAGES = 10;

const Checks = z.object({
  check_runs: z.array(
    z.object({
      name: z.string(),
      conclusion: z.string().nullable(),
      app: z.object({ id: z.int() }).nullish(),
    }),
  ),
});
const Compared = z.object({ status: z.enum(["ahead", "behind", "diverged", "identical"]) });
const Branch = z.object({
  commit: z.object({ sha: z.string() }),
  protection: z
    .object({
      required_status_checks: z
        .object({
          contexts: z.array(z.string()).optional(),
          checks: z.array(z.object({ context: z.string(), app_id: z.int().nullish() })).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** How a commit stands: what its checks say, what its branch asks for, and whether it holds what it is to be merged into. */
export async function standing(
  octokit: Octokit,
  { owner, name }: { owner: string; name: string },
  { sha, defaultBranch, pull: number }: StandingOf,
): Promise<Standing> {
  const read = number === null ? null : await pull(octokit, { owner, name }, number);
  const { data } = await octokit.rest.repos.getBranch({
    owner,
    repo: name,
    branch: read?.baseRef ?? defaultBranch,
  });
  const branch = Branch.parse(data);
  const { contexts = [], checks = [] } = branch.protection?.required_status_checks ?? {};
  return {
    checks: await checksOf(octokit, { owner, name }, sha),
    // A name that stands in both is the same one; any App's is good where none is named (GitHub also says -1).
    required: [
      ...checks.map(({ context, app_id: app }) => ({
        name: context,
        app: app == null || app < 0 ? null : app,
      })),
      ...contexts
        .filter((context) => !checks.some((check) => check.context === context))
        .map((context) => ({ name: context, app: null })),
    ],
    holdsBase:
      read === null
        ? "not-asked"
        : read.head === sha
          ? await holds(octokit, { owner, name }, sha, read.merge)
          : "moved",
    onDefaultBranch:
      read === null
        ? branch.commit.sha === sha || (await isBefore(octokit, { owner, name }, sha, data.name))
        : "not-asked",
  };
}

/** Whether the branch has the commit in its history: it is ahead of it then. One that was pushed away is nowhere. */
async function isBefore(
  octokit: Octokit,
  { owner, name }: { owner: string; name: string },
  sha: string,
  branch: string,
): Promise<"passed" | false> {
  const { data } = await octokit.rest.repos.compareCommitsWithBasehead({
    owner,
    repo: name,
    basehead: `${sha}...${branch}`,
    per_page: 1,
  });
  const { status } = Compared.parse(data);
  return status === "ahead" || status === "identical" ? "passed" : false;
}

/** A head that holds its base has the tree of the merge that GitHub tries. Null: GitHub has not tried yet. */
async function holds(
  octokit: Octokit,
  repository: { owner: string; name: string },
  sha: string,
  merge: Awaited<ReturnType<typeof pull>>["merge"],
): Promise<boolean | null> {
  if (merge.kind === "pending") return null;
  if (merge.kind === "conflict") return false;
  const [merged, own] = await Promise.all([
    commit(octokit, repository, merge.sha),
    commit(octokit, repository, sha),
  ]);
  // The merge of another head says nothing about this one.
  return merged.parents.includes(sha) ? merged.tree === own.tree : null;
}

async function checksOf(
  octokit: Octokit,
  { owner, name }: { owner: string; name: string },
  sha: string,
): Promise<Standing["checks"]> {
  const found: NonNullable<Standing["checks"]>[number][] = [];
  for (let page = 1; page <= PAGES; page += 1) {
    const { data } = await octokit.rest.checks.listForRef({
      owner,
      repo: name,
      ref: sha,
      filter: "latest",
      per_page: 100,
      page,
    });
    const { check_runs: runs } = Checks.parse(data);
    found.push(
      ...runs.map((run) => ({
        name: run.name,
        app: run.app?.id ?? null,
        conclusion: run.conclusion,
      })),
    );
    if (runs.length < 100) return found;
  }
  return null;
}
