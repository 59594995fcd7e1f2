import type { What } from "../event/event.ts";
import type { Sender } from "./request.ts";
import type { HeadRow, Slice } from "./rows.ts";
import type { Plan } from "./start.ts";
import { branchOf } from "./wants.ts";

type Push = Extract<What, { kind: "push" }>;

/** The merge queue reports on these by `merge_group`. */
const QUEUE = "gh-readonly-queue/";

/**
 * Which pushes get a run of their own: the default branch always; another branch as long as no open pull request of
 * this repository has it as its head, because that one's run reports on the same commit. (Opened later, a pull request
 * ends the branch's run and uses its verdicts again.) Tags, deletions and the queue's branches get none.
 */
export function pushed(
  plan: Plan,
  slice: Slice,
  push: Push,
  sender: Sender,
  defaultBranch: string,
): void {
  const branch = branchOf(push.ref);
  if (branch === null || branch.startsWith(QUEUE)) return;
  const { changes, effects } = plan.decision;
  if (push.sha === null) {
    if (slice.head !== null && push.before === slice.head.sha) {
      changes.push({ kind: "head-gone", ref: push.ref });
      effects.push({ kind: "branch-gone", ref: push.ref });
    }
    if (slice.head === null || push.before === slice.head.sha)
      plan.endAll(`push:${push.ref}`, "the branch is gone");
    return;
  }
  const row: HeadRow = {
    ref: push.ref,
    sha: push.sha,
    before: push.before,
    pushedAt: push.pushedAt,
  };
  if (isStale(row, slice.head)) return;
  changes.push({ kind: "head", row });
  if (branch === defaultBranch) changes.push({ kind: "policy-stale" });
  const reported = slice.pulls.some(
    (pull) => pull.state === "open" && !pull.fork && pull.headRef === branch,
  );
  if (branch !== defaultBranch && reported)
    return plan.endAll(`push:${push.ref}`, "its pull request", push.sha);
  plan.ensure({ kind: "push", ref: push.ref, head: push.sha, before: push.before }, sender, null);
}

/** GitHub does not keep the order: a push is old when GitHub's time says so, or (in one second) when it was followed. */
function isStale(push: HeadRow, known: HeadRow | null): boolean {
  if (known === null) return false;
  if (push.pushedAt !== null && known.pushedAt !== null && push.pushedAt !== known.pushedAt)
    return push.pushedAt < known.pushedAt;
  return known.before === push.sha && push.before !== known.sha;
}
