import { readCommit } from "./commits.ts";
import { zeroSha } from "./git.ts";
import { mergedCommit, verdictOn } from "./merging.ts";
import { emitPull, refsMoved } from "./pushes.ts";
import { emailOf } from "./render/account.ts";
import { renderSimpleCommit } from "./render/commit.ts";
import { landed } from "./resources/pulls.ts";
import type { Account, PullRequest, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** A merge queue of groups of one: a branch of its own, checks on its head, then the base moves to exactly that head. */
export interface MergeGroup {
  readonly headSha: string;
  readonly headRef: string;
  readonly baseSha: string;
  /** Merges when the base branch's required checks pass on the group's head; else undefined becomes the reason. */
  conclude(): Promise<string | undefined>;
  /** Takes it out without merging. */
  remove(): Promise<void>;
}

/** Puts it in the queue as a person does: it leaves by itself when its checks have ended. */
export async function enqueueUntilChecked(
  world: World,
  repo: Repository,
  issue: PullRequest,
  by: Account,
): Promise<MergeGroup> {
  const group = await enqueue(world, repo, issue, by);
  const key = `${repo.id} ${group.headSha}`;
  const { sha: head } = issue.pull.head;
  const checked = async (): Promise<void> => {
    const { ref } = issue.pull.base;
    const verdict = await verdictOn(world, repo, ref, group.headSha);
    // Whoever takes the entry out first concludes.
    if (verdict.state === "pending" || !world.mergeGroups.delete(key)) return;
    const stale = issue.state !== "open" || issue.pull.head.sha !== head;
    const moved = (await repo.git.commitOf(`refs/heads/${ref}`)) !== group.baseSha;
    if (!stale && !moved) {
      await group.conclude();
      return;
    }
    await repo.git.exclusively(async () => {
      await group.remove();
      // What was checked is not what would land: a new group on the new base.
      if (!stale) await enqueueUntilChecked(world, repo, issue, by);
    });
  };
  world.mergeGroups.set(key, { pullId: issue.id, checked, remove: () => group.remove() });
  return group;
}

export async function enqueue(
  world: World,
  repo: Repository,
  issue: PullRequest,
  by: Account,
): Promise<MergeGroup> {
  const baseRef = `refs/heads/${issue.pull.base.ref}`;
  const baseSha = await repo.git.commitOf(baseRef);
  if (baseSha === undefined) throw new Error(`${baseRef} does not exist`);
  const author = { name: by.login, email: emailOf(by) };
  const headSha = await mergedCommit(repo, issue, {
    method: "merge",
    author,
    date: world.stamp(),
    base: baseSha,
  });
  const headRef = `refs/heads/gh-readonly-queue/${issue.pull.base.ref}/pr-${issue.number}-${baseSha}`;
  const update = { ref: headRef, before: zeroSha, after: headSha };
  if (!(await repo.git.moveRef(update)))
    throw new Error(`pull request ${issue.number} is in the queue already`);
  await refsMoved(world, repo, [update], by);
  const commit = await readCommit(repo.git, headSha);
  if (!commit) throw new Error(`the merge group's commit ${headSha} is gone`);
  const group = {
    head_sha: headSha,
    head_ref: headRef,
    base_sha: baseSha,
    base_ref: baseRef,
    head_commit: renderSimpleCommit(commit),
  };
  const emit = (action: string, extra: Record<string, unknown> = {}): void =>
    world.hooks.emit(repo, {
      event: "merge_group",
      action,
      payload: { merge_group: group, ...extra },
      sender: by,
    });
  emit("checks_requested");

  await emitPull(world, issue.id, "enqueued", {}, by);

  const leave = async (reason: "merged" | "dequeued", why: string): Promise<void> => {
    world.mergeGroups.delete(`${repo.id} ${headSha}`);
    const gone = { ref: headRef, before: headSha, after: zeroSha };
    await repo.git.moveRef(gone);
    await refsMoved(world, repo, [gone], by);
    emit("destroyed", { reason });
    await emitPull(world, issue.id, "dequeued", { reason: why }, by);
  };
  return {
    headSha,
    headRef,
    baseSha,
    remove: () => leave("dequeued", "MANUAL"),
    conclude: () =>
      repo.git.exclusively(async () => {
        const verdict = await verdictOn(world, repo, issue.pull.base.ref, headSha);
        const blocked = verdict.state === "passing" ? undefined : verdict.why;
        if (!blocked)
          await landed(world, repo, issue, { ref: baseRef, before: baseSha, after: headSha }, by);
        await leave(blocked ? "dequeued" : "merged", blocked ? "CI_FAILURE" : "MERGE");
        return blocked;
      }),
  };
}
