import { readCommit, readDiff, readLog, emptyTree } from "./commits.ts";
import { zeroSha } from "./git.ts";
import type { RefUpdate } from "./git.ts";
import { emitSuiteRequested, suiteFor } from "./suites.ts";
import { emailOf } from "./render/account.ts";
import { renderPushCommit } from "./render/commit.ts";
import { renderPull } from "./render/pull.ts";
import { htmlUrl, renderPushRepository } from "./render/repository.ts";
import { atLeast } from "./permissions.ts";
import type { Account, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** What follows when branches and tags have moved: events, pull requests, check suites. Call inside the repository's turn. */
export async function refsMoved(
  world: World,
  repo: Repository,
  updates: RefUpdate[],
  pusher: Account,
): Promise<void> {
  const tags = updates.filter((one) => one.ref.startsWith("refs/tags/"));
  for (const update of updates) {
    if (update.before === update.after) continue;
    const branch = update.ref.startsWith("refs/heads/")
      ? update.ref.slice("refs/heads/".length)
      : null;
    // GitHub: more than three tags in one push make no event.
    if (branch === null && tags.length > 3) continue;
    if (branch === null && !update.ref.startsWith("refs/tags/")) continue;
    repo.pushedAt = world.stamp();
    emitRefEvent(world, repo, update, pusher);
    await emitPush(world, repo, update, pusher);
    if (branch === null) continue;
    if (update.after !== zeroSha) await requestSuites(world, repo, branch, update, pusher);
    await movePulls(world, repo, branch, update, pusher);
  }
}

function emitRefEvent(world: World, repo: Repository, update: RefUpdate, sender: Account): void {
  const made = update.before === zeroSha;
  if (!made && update.after !== zeroSha) return;
  const [, kind = "", ...name] = update.ref.split("/");
  const payload = {
    ref: name.join("/"),
    ref_type: kind === "heads" ? "branch" : "tag",
    pusher_type: "user",
  };
  world.hooks.emit(repo, {
    event: made ? "create" : "delete",
    action: null,
    payload: made ? { ...payload, master_branch: repo.defaultBranch, description: null } : payload,
    sender,
  });
}

async function emitPush(
  world: World,
  repo: Repository,
  update: RefUpdate,
  sender: Account,
): Promise<void> {
  const { ref, before, after } = update;
  const gone = after === zeroSha;
  const head = gone
    ? undefined
    : await readCommit(repo.git, (await repo.git.commitOf(after)) ?? after);
  // GitHub lists at most 2,048 commits of a push, and for a new branch those that no other branch has.
  const range =
    before === zeroSha
      ? [
          "--not",
          ...[...(await repo.git.refs("refs/heads/"))]
            .filter(([name]) => name !== ref)
            .map(([, sha]) => sha),
        ]
      : [`^${before}`];
  const commits = head
    ? await readLog(repo.git, ["--reverse", "--max-count=2048", head.sha, ...range])
    : [];
  const render = async (commit: (typeof commits)[number]) =>
    renderPushCommit(
      world,
      repo,
      commit,
      await readDiff(repo.git, commit.parents[0] ?? emptyTree, commit.sha),
    );
  const forced = !gone && before !== zeroSha && !(await repo.git.isAncestor(before, after));
  world.hooks.emit(repo, {
    event: "push",
    action: null,
    payload: {
      ref,
      before,
      after,
      base_ref: null,
      created: before === zeroSha,
      deleted: gone,
      forced,
      compare: `${htmlUrl(world, repo)}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
      commits: await Promise.all(commits.map(render)),
      head_commit: head ? await render(head) : null,
      repository: renderPushRepository(world, repo),
      pusher: { name: sender.login, email: emailOf(sender) },
    },
    sender,
  });
}

async function requestSuites(
  world: World,
  repo: Repository,
  branch: string,
  update: RefUpdate,
  sender: Account,
): Promise<void> {
  for (const installation of world.installationsOn(repo)) {
    if (installation.permissions["checks"] !== "write") continue;
    const { suite, fresh } = suiteFor(world, repo, installation.appId, update.after, {
      branch,
      before: update.before,
    });
    if (fresh) await emitSuiteRequested(world, suite, sender);
  }
}

/** Pull requests from this branch get a new head; those into it must be merged anew. */
async function movePulls(
  world: World,
  repo: Repository,
  branch: string,
  update: RefUpdate,
  sender: Account,
): Promise<void> {
  for (const issue of world.issues.values()) {
    const { pull } = issue;
    if (!pull || issue.state !== "open") continue;
    if (issue.repoId === repo.id && pull.base.ref === branch)
      pull.mergeability = { state: "unknown", asked: 0 };
    if (pull.head.repoId !== repo.id || pull.head.ref !== branch) continue;
    const base = world.repository(issue.repoId);
    if (update.after === zeroSha) {
      issue.state = "closed";
      issue.closedAt = issue.updatedAt = world.stamp();
      await emitPull(world, issue.id, "closed", {}, sender);
      continue;
    }
    await fetchHead(base, issue.number, repo, update.after);
    pull.head.sha = update.after;
    pull.base.sha = (await base.git.commitOf(`refs/heads/${pull.base.ref}`)) ?? pull.base.sha;
    pull.mergeability = { state: "unknown", asked: 0 };
    pull.mergeCommitSha = null;
    issue.updatedAt = world.stamp();
    await emitPull(
      world,
      issue.id,
      "synchronize",
      { before: update.before, after: update.after },
      sender,
    );
  }
}

/** Brings a head into the base repository as refs/pull/N/head. */
export async function fetchHead(
  base: Repository,
  number: number,
  from: Repository,
  sha: string,
): Promise<void> {
  if (from.id !== base.id)
    await base.git.git(["fetch", "-q", "--no-write-fetch-head", from.git.dir, sha]);
  await base.git.git(["update-ref", `refs/pull/${number}/head`, sha]);
}

export async function emitPull(
  world: World,
  issueId: number,
  action: string,
  extra: Record<string, unknown>,
  sender: Account,
): Promise<void> {
  const issue = world.issues.get(issueId);
  if (!issue?.pull) throw new Error(`pull request ${issueId} is not known`);
  const repo = world.repository(issue.repoId);
  const rendered = await renderPull(world, repo, { ...issue, pull: issue.pull });
  world.hooks.emit(repo, {
    event: "pull_request",
    action,
    payload: { number: issue.number, ...extra, pull_request: rendered },
    sender,
  });
}

/** Whether this account may push. */
export const mayPush = (world: World, account: Account, repo: Repository): boolean =>
  atLeast(world.roleOf(account, repo), "write");
