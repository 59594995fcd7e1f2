import type { Event, EventRepository } from "../event/event.ts";
import { mayWrite } from "../trust/role.ts";
import { approveHead } from "./act.ts";
import { identify } from "./identity.ts";
import { pullChanged } from "./pull.ts";
import { pushed } from "./push.ts";
import type { RepositoryIdentity, Sender } from "./request.ts";
import type { Approval, Decision, Slice } from "./rows.ts";
import { pressed, said } from "./said.ts";
import { Plan } from "./start.ts";

/**
 * What an event changes in a repository, and what follows from it. Pure: the slice is what `wants(event)` named.
 * Applied in one transaction; deciding the same delivery again changes nothing.
 *
 * @throws when the event is about another repository or owner than the slice: a bug or a forgery, set aside.
 */
export function decide(slice: Slice, event: Event, now: number, host: string): Decision {
  const plan = new Plan(slice, now);
  if (event.repository === null) return plan.decision;
  const identity = identify(slice, event, host, plan.decision);
  // Without an installation nothing can be asked or reported: recorded, and that is all.
  if (identity === null || event.sender === null) return plan.decision;
  act({ plan, slice, event, identity, sender: event.sender, repository: event.repository });
  return plan.decision;
}

type Acting = {
  plan: Plan;
  slice: Slice;
  event: Event;
  identity: RepositoryIdentity;
  sender: Sender;
  repository: EventRepository;
};

function act({ plan, slice, event, identity, sender }: Acting): void {
  const { what } = event;
  switch (what.kind) {
    case "push":
      return pushed(plan, slice, what, sender, identity.repository.defaultBranch);
    case "pull_request":
      return pullChanged(plan, slice, what, sender, identity.repository.defaultBranch);
    case "merge_group":
      if (what.action === "destroyed")
        return plan.endAll(`queue:${what.headRef}`, "the merge queue");
      return plan.ensure(
        { kind: "merge_group", head: what.head, headRef: what.headRef, base: what.base },
        sender,
        null,
      );
    case "check_run":
      return what.action === "rerequested"
        ? again(plan, slice, identity.repository.id, what.externalId)
        : pressed(plan, slice, what, runOf(slice, identity.repository.id, what.externalId), sender);
    case "check_suite":
      for (const row of newestOfEachKey(slice, what.head)) plan.again(row);
      return;
    case "comment":
      return said(plan, slice, what, sender);
    case "repository":
      if (what.action === "deleted") {
        plan.endEverything("the repository was deleted");
        plan.decision.effects.push({ kind: "withdraw" });
      } else if (what.action === "transferred") plan.endEverything("the repository's transfer");
      return;
    case "installation":
    case "ping":
    case "other":
  }
}

/** The run that a check of ours belongs to. */
function runOf(slice: Slice, repository: number, externalId: string) {
  return slice.runs.find(({ n }) => externalId.startsWith(`check:${repository}-${n}:`));
}

/** GitHub lets those with write re-request a check. */
function again(plan: Plan, slice: Slice, repository: number, externalId: string): void {
  const row = runOf(slice, repository, externalId);
  if (row !== undefined) plan.again(row);
}

/** The App was taken off the repository: what runs for it ends, and nothing is remembered of whom it is served for. */
export function left(slice: Slice, why: string, now: number): Decision {
  const plan = new Plan(slice, now);
  plan.endEverything(why);
  return plan.decision;
}

/** The answer to `ask-role`: whoever may write has approved this very head, if it still stands. */
export function approved(
  slice: Slice,
  approval: Approval,
  writers: readonly string[],
  now: number,
): Decision {
  const plan = new Plan(slice, now);
  if (!mayWrite(approval.role, writers)) return plan.decision;
  for (const pull of slice.pulls) {
    if (pull.state !== "open" || pull.head !== approval.sha || pull.approved === approval.sha)
      continue;
    if (approval.pull !== pull.number) continue;
    approveHead(plan, slice, pull, approval.by);
  }
  return plan.decision;
}

/** Of the commit's own runs: a branch that has moved on is not judged again for what stands on the commit it left. */
function newestOfEachKey(slice: Slice, head: string) {
  const own = slice.runs.filter((row) => row.head === head).toSorted((a, b) => a.n - b.n);
  const newest = new Map(own.map((row) => [row.key, row]));
  return [...newest.values()];
}
