import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Refused } from "./answer.ts";
import { readCommit } from "./commits.ts";
import { latestRuns } from "./suites.ts";
import type {
  Account,
  Conclusion,
  Protection,
  PullRequest,
  Repository,
  RequiredCheck,
} from "./state.ts";
import type { World } from "./world.ts";

/** Mergeability by a real merge, and what branch protection says about it. */

/** Computes it now and maintains refs/pull/N/merge. On a conflict the old merge ref stays, as on GitHub: it may be stale. */
export async function computeMergeability(
  world: World,
  repo: Repository,
  issue: PullRequest,
): Promise<string | null> {
  const { pull } = issue;
  const base = await repo.git.commitOf(`refs/heads/${pull.base.ref}`);
  if (base === undefined)
    throw new Error(`pull request ${issue.number}: the base branch ${pull.base.ref} is gone`);
  const known = pull.mergeability;
  if (known.state === "known" && known.head === pull.head.sha && known.base === base)
    return known.mergeSha;
  const tree = await mergeTree(repo, base, pull.head.sha);
  let mergeSha: string | null = null;
  if (tree !== null) {
    const author = { name: "GitHub", email: "noreply@github.test" };
    mergeSha = await repo.git.commitTree(
      tree,
      [base, pull.head.sha],
      `Merge ${pull.head.sha} into ${base}`,
      author,
      world.stamp(),
    );
    await repo.git.git(["update-ref", `refs/pull/${issue.number}/merge`, mergeSha]);
  }
  pull.mergeability = { state: "known", head: pull.head.sha, base, mergeSha };
  pull.mergeCommitSha = mergeSha;
  return mergeSha;
}

/** The merged tree, or null on a conflict. */
export async function mergeTree(
  repo: Repository,
  base: string,
  head: string,
): Promise<string | null> {
  const result = await repo.git.try(["merge-tree", "--write-tree", "--no-messages", base, head]);
  if (result.code === 1) return null;
  if (result.code !== 0)
    throw new Error(`git merge-tree ${base} ${head} exited ${result.code}: ${result.stderr}`);
  return result.stdout.toString().slice(0, 40);
}

/** `neutral` and `skipped` satisfy a required check; that is GitHub's rule. */
const satisfying = new Set<Conclusion>(["success", "neutral", "skipped"]);

export type Verdict =
  | { state: "passing" }
  | { state: "pending" | "failing"; /** In GitHub's words. */ why: string };

const blocked = (state: "pending" | "failing", why: string): Verdict => ({ state, why });

/** What the branch's protection says about this commit. */
export async function verdictOn(
  world: World,
  repo: Repository,
  branch: string,
  sha: string,
): Promise<Verdict> {
  const protection = repo.protections.get(branch);
  if (!protection) return { state: "passing" };
  const verdicts = protection.checks.map((check) => verdictOfCheck(world, repo, check, sha));
  // What has failed cannot be waited for: it is said first.
  const worst =
    verdicts.find((one) => one.state === "failing") ??
    verdicts.find((one) => one.state === "pending");
  if (worst) return worst;
  const tip = await repo.git.commitOf(`refs/heads/${branch}`);
  if (protection.strict && tip !== undefined && !(await repo.git.isAncestor(tip, sha)))
    return blocked("failing", "Head branch is out of date. Review and try the merge again.");
  return { state: "passing" };
}

function verdictOfCheck(
  world: World,
  repo: Repository,
  { context, appId }: RequiredCheck,
  sha: string,
): Verdict {
  const matching = latestRuns(
    [...world.checkRuns.values()].filter((run) => run.repoId === repo.id && run.headSha === sha),
  ).filter((run) => run.name === context && (appId === null || run.appId === appId));
  const status =
    appId === null
      ? world.statuses.findLast(
          (one) => one.repoId === repo.id && one.sha === sha && one.context === context,
        )
      : undefined;
  const name = `Required status check "${context}"`;
  if (matching.length === 0 && !status) return blocked("pending", `${name} is expected.`);
  if (matching.some((run) => run.status !== "completed") || status?.state === "pending")
    return blocked("pending", `${name} is in progress.`);
  const failing = matching.some(
    (run) => run.conclusion === null || !satisfying.has(run.conclusion),
  );
  if (failing || (status && status.state !== "success"))
    return blocked("failing", `${name} is failing.`);
  return { state: "passing" };
}

/** Why protection keeps this account from putting the commit on the branch; undefined when it does not. */
export async function guardFault(
  world: World,
  repo: Repository,
  branch: string,
  sha: string,
  by: Account,
): Promise<string | undefined> {
  const protection = repo.protections.get(branch);
  if (!protection || passesOver(world, repo, protection, by)) return undefined;
  const verdict = await verdictOn(world, repo, branch, sha);
  return verdict.state === "passing" ? undefined : verdict.why;
}

/** GitHub: required checks do not bind who administers, unless they are enforced for admins too. Apps are always bound. */
export const passesOver = (
  world: World,
  repo: Repository,
  protection: Protection,
  by: Account,
): boolean => !protection.enforceAdmins && world.roleOf(by, repo) === "admin";

export type MergeMethod = "merge" | "squash" | "rebase";

/** The commit that merging would put on the base. */
export async function mergedCommit(
  repo: Repository,
  issue: PullRequest,
  how: {
    method: MergeMethod;
    title?: string;
    message?: string;
    author: { name: string; email: string };
    date: string;
    base: string;
  },
): Promise<string> {
  if (how.method === "rebase") return rebased(repo, how.base, issue.pull.head.sha, how);
  const tree = await mergeTree(repo, how.base, issue.pull.head.sha);
  if (tree === null) throw new Refused(405, "Pull Request is not mergeable");
  const head = await readCommit(repo.git, issue.pull.head.sha);
  if (!head)
    throw new Error(`pull request ${issue.number}: the head ${issue.pull.head.sha} is gone`);
  const squash = how.method === "squash";
  const title =
    how.title ??
    (squash
      ? `${issue.title} (#${issue.number})`
      : `Merge pull request #${issue.number} from ${issue.pull.head.ref}`);
  const message = `${title}\n\n${how.message ?? (squash ? head.message : issue.title)}\n`;
  return repo.git.commitTree(
    tree,
    squash ? [how.base] : [how.base, head.sha],
    message,
    how.author,
    how.date,
  );
}

/** Each commit of the head again on top of the base, without merge commits; the last of them. */
async function rebased(
  repo: Repository,
  base: string,
  head: string,
  by: { author: { name: string; email: string }; date: string },
): Promise<string> {
  const which = ["--reverse", "--no-merges", "--right-only", "--cherry-pick"];
  const listed = await repo.git.git(["rev-list", ...which, `${base}...${head}`]);
  const shas = listed.toString().split("\n").filter(Boolean);
  if (shas.length === 0) return base;
  // git 2.39 replays only in a work tree.
  const dir = join(repo.git.dir, "rebasing");
  const env = {
    GIT_COMMITTER_NAME: by.author.name,
    GIT_COMMITTER_EMAIL: by.author.email,
    GIT_COMMITTER_DATE: by.date,
  };
  try {
    await repo.git.git(["worktree", "add", "-q", "--force", "--detach", dir, base]);
    const picked = await repo.git.try(
      ["-C", dir, "cherry-pick", "--allow-empty", "--keep-redundant-commits", ...shas],
      { env },
    );
    if (picked.code !== 0) throw new Refused(405, "This branch can't be rebased");
    return (await repo.git.git(["-C", dir, "rev-parse", "HEAD"])).toString().trim();
  } finally {
    await rm(dir, { recursive: true, force: true });
    await repo.git.git(["worktree", "prune"]);
  }
}
