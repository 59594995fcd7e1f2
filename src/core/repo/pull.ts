import type { What } from "../event/event.ts";
import { keyOf } from "./key.ts";
import type { RunReason, Sender } from "./request.ts";
import type { PullRow, Slice } from "./rows.ts";
import type { Plan } from "./start.ts";

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
  };
  plan.decision.changes.push({ kind: "pull", row });
  const reason = reasonOf(row);
  if (row.state === "closed")
    return plan.endAll(
      keyOf(reason),
      event.pull.merged ? "the merge" : "the pull request was closed",
    );
  if (event.action === "changed") return;
  plan.ensure(reason, row.sender, row.approved);
  if (!row.fork && row.headRef !== defaultBranch)
    plan.endAll(`push:refs/heads/${row.headRef}`, `pull request ${row.number}`, row.head);
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
