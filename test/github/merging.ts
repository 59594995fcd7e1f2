import { Refused } from "./answer.ts";
import { readCommit } from "./commits.ts";
import { latestRuns } from "./suites.ts";
import type { Conclusion, PullRequest, Repository } from "./state.ts";
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

/** Why protection blocks this commit from the branch, in GitHub's words; undefined when it does not. */
export async function protectionFault(
  repo: Repository,
  world: World,
  branch: string,
  sha: string,
): Promise<string | undefined> {
  const protection = repo.protections.get(branch);
  if (!protection) return undefined;
  const runs = latestRuns(
    [...world.checkRuns.values()].filter((run) => run.repoId === repo.id && run.headSha === sha),
  );
  for (const { context, appId } of protection.checks) {
    const matching = runs.filter(
      (run) => run.name === context && (appId === null || run.appId === appId),
    );
    const status =
      appId === null
        ? world.statuses.findLast(
            (one) => one.repoId === repo.id && one.sha === sha && one.context === context,
          )
        : undefined;
    if (matching.length === 0 && !status) return `Required status check "${context}" is expected.`;
    if (matching.some((run) => run.status !== "completed") || status?.state === "pending") {
      return `Required status check "${context}" is in progress.`;
    }
    const failing = matching.some(
      (run) => run.conclusion === null || !satisfying.has(run.conclusion),
    );
    if (failing || (status && status.state !== "success"))
      return `Required status check "${context}" is failing.`;
  }
  const tip = await repo.git.commitOf(`refs/heads/${branch}`);
  if (protection.strict && tip !== undefined && !(await repo.git.isAncestor(tip, sha))) {
    return "Head branch is out of date. Review and try the merge again.";
  }
  return undefined;
}

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
