import type { MachineOutcome, Observation } from "../../protocol/machine.ts";
import type { TicketRow } from "./rows.ts";

/** After a loss the machine is looked at again after this long (ms) while it says that it is still at it. */
export const LOOK_AGAIN = 30_000;
/** What a machine has not ended after this long (ms) is told as unknown: its own watchdog's limits are shorter. */
const LOST_FOR = 2 * 60 * 60_000;
/** One that does not answer may be gone for days: it is asked again ever more seldom, and never more seldom than this (ms). */
const LOOK_AT_LEAST = 10 * 60_000;

/** When (ms) a machine that did not answer is looked at again: after a tenth of the time that has gone since the loss. */
export function lookAfter(lostAt: number, now: number): number {
  const pause = Math.round((now - lostAt) / 10);
  return now + Math.min(LOOK_AT_LEAST, Math.max(LOOK_AGAIN, pause));
}

/**
 * Whether an observation can say how a lost deploy ended. What was asked for before the loss proves nothing; that the machine is
 * still at it, nothing yet.
 */
export function isProof(
  { counter, changedAt }: Pick<TicketRow, "counter" | "changedAt">,
  { unfinished }: Observation,
  since: number,
  now: number,
): boolean {
  const busy = unfinished !== null && unfinished.counter === counter;
  return since >= changedAt && !(busy && now - changedAt < LOST_FOR);
}

/**
 * How a deploy ended whose runner was lost, as far as the machine itself proves it. What is said is what is seen: a machine
 * that runs and boots the old system was not changed, or took itself back; one that runs and boots the new one was told to
 * commit, which is only told to what was confirmed and healthy. Anything else is unknown.
 */
export function judgeLost(
  ticket: Pick<TicketRow, "system" | "before" | "step" | "method" | "counter">,
  observation: Observation,
): MachineOutcome {
  const { system: wanted, before } = ticket;
  const running = observation.system;
  const boots = observation.profile?.system ?? null;
  const step = ticket.step ?? "connect";
  const unknown = (why: string): MachineOutcome => ({
    kind: "unknown",
    step,
    why: `the runner was lost; ${why}`,
    running,
  });
  if (observation.unfinished !== null)
    return unknown("the machine says that a deploy has begun there and has not ended");
  if (running === null) return unknown("what runs there could not be read");
  if (ticket.counter !== null && observation.counter > ticket.counter)
    return unknown("another deploy was made there since, past the control plane");
  const isNew = wanted !== null && running === wanted;
  const isOld = before !== null && running === before;
  if (isNew && isOld) return unknown("it ran this system before, and its health was not seen");
  if (isNew) return judgeNew(ticket, observation, running, unknown);
  if (isOld && wanted !== null && boots === wanted)
    return {
      kind: "needs-reboot",
      system: wanted,
      why: "the runner was lost; the machine boots the new system and still runs the old one",
      running,
    };
  if (isOld && boots === before) {
    const why = "the runner was lost; the machine runs and boots what it ran before";
    if (ticket.counter !== null && observation.counter < ticket.counter)
      return { kind: "failed-untouched", step, why, running };
    return mayHaveActivated(ticket)
      ? { kind: "rolled-back", step, why, failedUnits: [], running }
      : { kind: "failed-untouched", step, why, running };
  }
  return unknown("it runs neither what it ran before nor what was wanted, or boots something else");
}

function judgeNew(
  { system: wanted, method, counter }: Pick<TicketRow, "system" | "method" | "counter">,
  { profile, counter: seen }: Observation,
  running: string,
  unknown: (why: string) => MachineOutcome,
): MachineOutcome {
  if (wanted === null || profile?.system !== wanted)
    return unknown("it runs the new system and boots another one");
  // Other methods set the profile before anything is known of health; and the word must be this deploy's.
  if (method !== "plain" || seen !== counter)
    return unknown("it runs and boots the new system, and its health was not seen");
  return {
    kind: "active",
    system: wanted,
    generation: profile.number,
    notices: [
      "The runner was lost after it had told the machine to commit, which follows health; this was seen by looking at the machine.",
    ],
    running,
  };
}

/** The last step that was heard of is the least that was done: the word of the next one may be what was lost. */
function mayHaveActivated({ step }: Pick<TicketRow, "step">): boolean {
  switch (step) {
    case null:
    case "connect":
    case "check":
    case "build":
    case "begin":
    case "space":
    case "copy":
      return false;
    case "verify":
    case "backup":
    case "dry-activate":
    case "activate":
    case "confirm":
    case "health":
    case "commit":
    case "read-back":
    case "revert":
      return true;
  }
}
