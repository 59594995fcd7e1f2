import type { Event, EventRepository } from "../event/event.ts";
import { mayWrite } from "../trust/role.ts";
import { approvalsIn } from "./comment.ts";
import { identify } from "./identity.ts";
import { branchRun, pullChanged, reasonOf } from "./pull.ts";
import { pushed } from "./push.ts";
import type { RepositoryIdentity, Sender } from "./request.ts";
import type { Approval, Decision, Slice } from "./rows.ts";
import { Plan } from "./start.ts";

/** Button on a check that waits for approval. */
export const APPROVE_ACTION = "ok-to-test";

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
        : button(plan, slice, what, sender);
    case "check_suite":
      for (const row of newestOfEachKey(slice)) plan.again(row);
      return;
    case "comment": {
      if (sender.type === "Bot") return;
      const pull = slice.pulls.find(({ number }) => number === what.pull);
      for (const sha of approvalsIn(what.body)) {
        if (pull?.state === "open" && pull.head === sha) {
          plan.decision.effects.push({
            kind: "ask-role",
            approval: { sha, pull: pull.number, by: sender },
          });
        }
      }
      return;
    }
    case "repository":
      if (what.action === "deleted") plan.decision.effects.push({ kind: "withdraw" });
      return;
    case "installation":
    case "ping":
    case "other":
  }
}

/** GitHub lets those with write re-request a check. */
function again(plan: Plan, slice: Slice, repository: number, externalId: string): void {
  const row = slice.runs.find(({ n }) => externalId.startsWith(`check:${repository}-${n}:`));
  if (row !== undefined) plan.again(row);
}

/** GitHub puts the SHA of the check's own commit into the request, so the button cannot be raced. */
function button(
  plan: Plan,
  slice: Slice,
  what: { identifier?: string; head: string },
  sender: Sender,
): void {
  if (what.identifier !== APPROVE_ACTION) return;
  for (const pull of slice.pulls) {
    if (pull.state === "open" && pull.head === what.head) {
      plan.decision.effects.push({
        kind: "ask-role",
        approval: { sha: what.head, pull: pull.number, by: sender },
      });
    }
  }
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
    const reason = reasonOf(pull);
    // The commit is the repository's already: whoever vouches for the pull request counts as its bringer.
    const sender = !pull.fork && plan.own(reason).length > 0 ? approval.by : pull.sender;
    const row = { ...pull, approved: approval.sha, approvedBy: approval.by.login, sender };
    plan.decision.changes.push({ kind: "pull", row });
    const branch = branchRun(row, slice.identity?.repository.defaultBranch ?? "");
    plan.ensure(reason, row.sender, row.approved, branch);
  }
  return plan.decision;
}

function newestOfEachKey(slice: Slice) {
  const newest = new Map(slice.runs.toSorted((a, b) => a.n - b.n).map((row) => [row.key, row]));
  return [...newest.values()];
}
