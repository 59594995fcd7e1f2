import type { What } from "../event/event.ts";
import { timeOf } from "../event/time.ts";
import { keyOf } from "./key.ts";
import type { RunReason, Sender } from "./request.ts";
import type { PullRow, Slice } from "./rows.ts";
import type { Plan } from "./start.ts";

/** What GitHub's times of a push and of a pull request may differ by (ms): a run too many is better than none. */
const CLOCKS = 10_000;

type PullEvent = Extract<What, { kind: "pull_request" }>;

export function reasonOf(pull: PullRow): RunReason & { kind: "pull_request" } {
  const { number, head, headRef, base, baseRef, fork, author } = pull;
  return { kind: "pull_request", number, head, headRef, base, baseRef, fork, author };
}

/** Drafts are judged like the others. What closes a pull request ends its run. */
export function pullChanged(
  plan: Plan,
  slice: Slice,
  event: PullEvent,
  sender: Sender,
  defaultBranch: string,
): void {
  const known = slice.pulls.find(({ number }) => number === event.pull.number) ?? null;
  if (isStale(event, known)) return;
  const moved = known === null || known.head !== event.pull.head;
  const row: PullRow = {
    number: event.pull.number,
    state: event.action === "closed" ? "closed" : event.pull.state,
    head: event.pull.head,
    headRef: event.pull.headRef,
    base: event.pull.base,
    baseRef: event.pull.baseRef,
    fork: event.pull.fork,
    draft: event.pull.draft,
    author: event.pull.author,
    before: moved ? (event.before ?? known?.head ?? null) : known.before,
    updatedAt: event.pull.updatedAt,
    sender: !moved ? known.sender : brings(event) ? sender : byAuthor(event),
    approved: moved ? null : known.approved,
    approvedBy: moved ? null : known.approvedBy,
    headSeenAt: moved ? plan.now : known.headSeenAt,
    merged: event.action === "closed" || event.pull.state === "closed" ? event.pull.merged : null,
  };
  plan.decision.changes.push({ kind: "pull", row });
  const reason = reasonOf(row);
  if (row.state === "closed") {
    plan.endAll(keyOf(reason), event.pull.merged ? "the merge" : "the pull request was closed");
    plan.decision.effects.push({ kind: "free-machines", pull: row.number });
    // What of it runs somewhere is nobody's any more. After a merge the default branch's own run tells.
    if (row.merged === false) plan.decision.effects.push({ kind: "drift", closed: row.number });
    const { closedAt } = event.pull;
    return leftBehind(plan, slice, row, { moved, closedAt }, sender, defaultBranch);
  }
  // Of a head that this is the first news of, the delivery that brought it comes later and is old by then.
  if (event.action === "changed" && !moved) return;
  const vouched = row.approved === row.head || isVouched(plan, reason, row.sender);
  if (!vouched) return askFor(plan, row);
  plan.ensure(reason, row.sender, row.approved, branchRun(row, defaultBranch));
}

/**
 * A branch that moved on before the word of its pull request's closing came: nobody has judged its head, because the pull
 * request's run was to. It was pushed after the closing, or the closing is the first that the pull request says of it.
 */
function leftBehind(
  plan: Plan,
  { head, pulls }: Slice,
  row: PullRow,
  { moved, closedAt }: { moved: boolean; closedAt: string | null },
  sender: Sender,
  defaultBranch: string,
): void {
  if (branchRun(row, defaultBranch) === null || head === null) return;
  const own = head.sha === row.head;
  if (own && !moved) return;
  // The news of a later push are still on their way, where what is known of the branch is older than the closing.
  if (!own && (head.sha === row.before || isBefore(head.pushedAt, closedAt))) return;
  const reported = pulls.some(
    (pull) =>
      pull.number !== row.number &&
      pull.state === "open" &&
      !pull.fork &&
      pull.headRef === row.headRef,
  );
  if (reported) return;
  plan.ensure({ kind: "push", ref: head.ref, head: head.sha, before: head.before }, sender, null);
}

function isBefore(pushedAt: number | null, closedAt: string | null): boolean {
  const closed = closedAt === null ? null : timeOf(closedAt);
  return pushedAt !== null && closed !== null && pushedAt * 1_000 < closed - CLOCKS;
}

/**
 * Anybody can propose a branch of the repository. Where a run judges its commit already, that run is not ended, and its
 * checks are not covered, for somebody who did not bring the commit and of whom it is not known whether they may write.
 */
function isVouched(plan: Plan, reason: ReturnType<typeof reasonOf>, sender: Sender): boolean {
  const own = reason.fork ? [] : plan.own(reason);
  return own.length === 0 || sender.type === "Bot" || own.some((run) => same(run.sender, sender));
}

/** The answer comes back as an approval: whoever may write vouches for the head by proposing it. */
function askFor(plan: Plan, row: PullRow): void {
  const { number: pull, head: sha, sender: by } = row;
  for (const run of plan.active(`pull:${pull}`))
    if (run.head !== sha) plan.supersede(run, "a newer head", false);
  plan.decision.effects.push({ kind: "ask-role", approval: { sha, pull, by } });
}

/** The branch's own run, which a pull request of the branch takes the place of. */
export function branchRun({ fork, headRef }: PullRow, defaultBranch: string): string | null {
  return fork || headRef === defaultBranch ? null : `push:refs/heads/${headRef}`;
}

function same(a: Sender, b: Sender): boolean {
  return a.id !== 0 && b.id !== 0 ? a.id === b.id : a.login === b.login;
}

function brings(event: PullEvent): boolean {
  return event.action === "opened" || event.action === "synchronize";
}

/** Whoever reopens, retargets or labels did not bring the commit: their write access must not count for it. */
function byAuthor(event: PullEvent): Sender {
  return { login: event.pull.author, id: 0, type: "User" };
}

/** Order is not kept. Times are whole seconds: within one, a head that was already replaced is old. */
function isStale(event: PullEvent, known: PullRow | null): boolean {
  if (known === null) return false;
  if (event.pull.updatedAt !== known.updatedAt) return event.pull.updatedAt < known.updatedAt;
  return known.before === event.pull.head && event.before !== known.head;
}
