import type { DeployStep, MachineOutcome, Observation } from "../../protocol/machine.ts";
import { code } from "../report/escape.ts";
import { blamed } from "./blame.ts";
import { Desk } from "./desk.ts";
import { isProof, judgeLost, LOOK_AGAIN, lookAfter } from "./lost.ts";
import { condemns, reasonOf } from "./outcome.ts";
import { isSource } from "./tool.ts";
import type {
  KeepRow,
  MachineChanges,
  MachineEffect,
  MachineSlice,
  Owner,
  Refusal,
  TicketRow,
} from "./rows.ts";

/**
 * Who may change a machine, one after the other in the order of asking: the counter, the locks, and what was lost. Total:
 * what does not apply changes nothing.
 */

/** Wishes that wait for one machine; more are a mistake of somebody's. */
const MOST_WAITING = 100;
/** Nothing was heard of a deploy that has begun for this long (ms): its run is asked. */
export const SILENT = 15 * 60_000;

export type Step = { changes: MachineChanges; effects: MachineEffect[] };
export type Ask = Pick<
  TicketRow,
  | "key"
  | "run"
  | "machine"
  | "owner"
  | "purpose"
  | "method"
  | "sha"
  | "system"
  | "expected"
  | "force"
>;
/** What becomes of a wish. Who waits is told later by an effect, and may ask again. */
export type Turn =
  | { kind: "granted"; counter: number }
  /** `before`: who comes first. */
  | { kind: "waiting"; before: { owner: Owner; lost: boolean } | null }
  | { kind: "refused"; refusal: Refusal }
  | { kind: "ended"; outcome: MachineOutcome };

const result = (desk: Desk): Step => ({ changes: desk.changes(), effects: desk.effects });

/** Asks for the machine. The same key is answered by what became of it. */
export function ask(slice: MachineSlice, asked: Ask, now: number): Step & { turn: Turn } {
  const desk = new Desk(slice);
  if (desk.ticket(asked.key) === null) {
    const ticket: TicketRow = {
      ...asked,
      order: desk.order(),
      state: "waiting",
      counter: null,
      before: null,
      step: null,
      askedAt: now,
      changedAt: now,
      outcome: null,
    };
    const refusal =
      desk.in("waiting").length >= MOST_WAITING
        ? { code: "busy" as const, why: `${MOST_WAITING} deploys wait for this machine already.` }
        : inTheWay(desk, ticket);
    if (refusal !== null) return { ...result(desk), turn: { kind: "refused", refusal } };
    desk.put(ticket);
  }
  next(desk, now);
  // Its own answer is the answer: nobody has to be told of it as well.
  const own = desk.effects.find((effect) => "key" in effect && effect.key === asked.key);
  const turn = turnOf(desk, asked.key, own ?? null);
  const effects = desk.effects.filter((effect) => effect !== own);
  return { changes: desk.changes(), effects, turn };
}

function turnOf(desk: Desk, key: string, own: MachineEffect | null): Turn {
  if (own?.kind === "refused") return { kind: "refused", refusal: own.refusal };
  const ticket = desk.ticket(key);
  if (ticket?.state === "begun" && ticket.counter !== null)
    return { kind: "granted", counter: ticket.counter };
  if (ticket?.state === "waiting" || ticket?.state === "lost") {
    const holder = desk.holder();
    const before =
      holder === null || holder.key === key
        ? null
        : { owner: holder.owner, lost: holder.state === "lost" };
    return { kind: "waiting", before };
  }
  if (ticket?.outcome != null) return { kind: "ended", outcome: ticket.outcome };
  return { kind: "refused", refusal: { code: "gone", why: "It was withdrawn or refused before." } };
}

/** Gives up a wish that has not begun. @returns the counter where it has, which is then for the run to end. */
export function withdraw(
  slice: MachineSlice,
  key: string,
  now: number,
): Step & { begun: number | null } {
  const desk = new Desk(slice);
  const ticket = desk.ticket(key);
  if (ticket?.state === "waiting") desk.change(ticket, { state: "ended", changedAt: now });
  next(desk, now);
  return { ...result(desk), begun: ticket?.state === "begun" ? ticket.counter : null };
}

/** A step of a deploy was heard of. Only its own counter's counts. */
export function heard(
  slice: MachineSlice,
  key: string,
  counter: number,
  step: DeployStep,
  now: number,
): Step {
  const desk = new Desk(slice);
  const ticket = desk.ticket(key);
  if (ticket?.counter === counter && (ticket.state === "begun" || ticket.state === "lost"))
    // One that was lost stays lost until the machine was looked at; what it said helps to judge it.
    desk.change(ticket, ticket.state === "begun" ? { step, changedAt: now } : { step });
  return result(desk);
}

/** A deploy has ended, as its run has it. Also of one that was lost and came back before anybody looked. */
export function end(
  slice: MachineSlice,
  key: string,
  counter: number,
  outcome: MachineOutcome,
  now: number,
): Step {
  const desk = new Desk(slice);
  const ticket = desk.ticket(key);
  if (ticket?.counter === counter && (ticket.state === "begun" || ticket.state === "lost"))
    close(desk, ticket, outcome, now);
  next(desk, now);
  return result(desk);
}

/** Nobody will say how it ended: the machine is looked at, and nothing else begins meanwhile. */
export function lose(slice: MachineSlice, key: string, step: DeployStep | null, now: number): Step {
  const desk = new Desk(slice);
  const ticket = desk.ticket(key);
  if (ticket?.state === "begun") {
    desk.change(ticket, { state: "lost", step: step ?? ticket.step, changedAt: now });
    desk.effects.push({ kind: "observe", notBefore: now });
  }
  return result(desk);
}

/**
 * What a machine said of itself. An older word than the last changes nothing.
 * @param since when it was asked for, by the clock that `now` is of: what was asked before a loss proves nothing about it.
 */
export function observe(
  slice: MachineSlice,
  observation: Observation,
  since: number,
  now: number,
): Step {
  const desk = new Desk(slice);
  const { machine } = desk;
  // Whoever deployed past the control plane has counted on: the next deploy counts from there.
  machine.counter = Math.max(machine.counter, observation.counter);
  const known = machine.observation;
  if (known === null || observation.at >= known.at) {
    machine.observation = observation;
    machine.unreachable = null;
  }
  const begun = desk.in("begun")[0];
  if (begun !== undefined && !activates(begun.step))
    desk.change(begun, { before: observation.system });
  const lost = desk.in("lost")[0];
  if (lost !== undefined) settle(desk, lost, observation, since, now);
  next(desk, now);
  return result(desk);
}

/** The machine did not answer: where something was lost, it is asked again. */
export function unreachable(slice: MachineSlice, why: string, now: number): Step {
  const desk = new Desk(slice);
  desk.machine.unreachable = { since: desk.machine.unreachable?.since ?? now, why };
  const lost = desk.in("lost")[0];
  if (lost !== undefined)
    desk.effects.push({ kind: "observe", notBefore: lookAfter(lost.changedAt, now) });
  return result(desk);
}

function settle(
  desk: Desk,
  ticket: TicketRow,
  observation: Observation,
  since: number,
  now: number,
): void {
  if (!isProof(ticket, observation, since, now)) {
    desk.effects.push({ kind: "observe", notBefore: now + LOOK_AGAIN });
    return;
  }
  const outcome = judgeLost(ticket, observation);
  const { key, run, machine } = ticket;
  // A system is not bad because a runner was lost.
  desk.change(ticket, { state: "ended", outcome, changedAt: now });
  desk.effects.push({ kind: "settled", key, run, machine, outcome });
}

function close(desk: Desk, ticket: TicketRow, outcome: MachineOutcome, now: number): void {
  desk.change(ticket, { state: "ended", outcome, changedAt: now });
  const { sha } = ticket;
  const system = blamed(ticket);
  if (system === null) return;
  if (outcome.kind === "active") desk.redeem(system);
  else if (condemns(outcome))
    desk.condemn({ system, sha, why: (reasonOf(outcome) ?? "").slice(0, 500), at: now });
}

/** Gives the machine to whoever asked first and may have it. */
function next(desk: Desk, now: number): void {
  while (desk.holder() === null) {
    const [first] = desk.in("waiting");
    if (first === undefined) return;
    const refusal = inTheWay(desk, first);
    if (refusal !== null) {
      desk.change(first, { state: "ended", changedAt: now });
      desk.refuse(first, refusal);
      continue;
    }
    desk.machine.counter += 1;
    const { counter } = desk.machine;
    const before = desk.machine.observation?.system ?? null;
    desk.change(first, { state: "begun", counter, before, changedAt: now });
    const { key, run, machine } = first;
    desk.effects.push({ kind: "granted", key, run, machine, counter });
  }
}

/** Why a wish that has not begun is not to. */
function inTheWay(desk: Desk, ticket: TicketRow): Refusal | null {
  const hold = desk.keep("hold");
  if (hold !== null) return { code: "held", why: keptBy("held", hold) };
  const lock = desk.keep("lock");
  // What was asked for before the lock was taken comes first.
  if (lock !== null && lock.order < ticket.order && !isOwn(lock, ticket))
    return { code: "locked", why: keptBy("locked", lock) };
  if (ticket.purpose === "rollback") return null;
  const bad = ticket.force ? null : desk.bad(blamed(ticket));
  if (bad !== null)
    return {
      code: "bad",
      why: `${isSource(ticket.method) ? "What this commit builds" : "This very system"} was taken back here before (${code(bad.sha.slice(0, 10))}: ${code(bad.why)}). ${code("--force")} puts it there all the same.`,
    };
  const runs = desk.machine.observation?.system ?? null;
  // While another deploy is under way what was seen last is about to change: it is looked at again when its turn comes.
  if (
    desk.holder() === null &&
    ticket.expected !== null &&
    runs !== null &&
    runs !== ticket.expected
  )
    return {
      code: "stale",
      why: `The plan is stale: it was made against ${code(ticket.expected)}, and ${code(runs)} runs there now. Make a new plan.`,
    };
  return null;
}

function isOwn(lock: KeepRow, { owner, run }: TicketRow): boolean {
  if (lock.run !== null && lock.run === run) return true;
  const { repository, pull } = lock.owner;
  return pull !== null && repository === owner.repository && pull === owner.pull;
}

function keptBy(word: "held" | "locked", { owner, reason }: KeepRow): string {
  const where = owner.pull === null ? "" : ` for #${owner.pull}`;
  return `It is ${word}${where} by ${code(owner.by)}${reason === null ? "" : `: ${code(reason)}`}.`;
}

/** Whether the machine may run something else from this step on. */
function activates(step: DeployStep | null): boolean {
  switch (step) {
    case null:
    case "connect":
    case "check":
    case "build":
    case "begin":
    case "space":
    case "copy":
    case "verify":
    case "backup":
    case "dry-activate":
      return false;
    case "activate":
    case "confirm":
    case "health":
    case "commit":
    case "read-back":
    case "revert":
      return true;
  }
}

/** Locks it for a pull request (or, with a run, for one rollout), or holds it for everybody. */
export function keep(
  slice: MachineSlice,
  asked: Pick<KeepRow, "kind" | "owner" | "reason" | "run">,
  now: number,
): Step & { refusal: Refusal | null } {
  const desk = new Desk(slice);
  const hold = desk.keep("hold");
  const lock = desk.keep("lock");
  const refused = (refusal: Refusal) => ({ ...result(desk), refusal });
  if (hold !== null && (asked.kind === "lock" || asked.owner.by !== hold.owner.by))
    return refused({ code: "held", why: keptBy("held", hold) });
  if (asked.kind === "lock" && lock !== null && !samePull(lock, asked))
    return refused({ code: "locked", why: keptBy("locked", lock) });
  const known = desk.keep(asked.kind);
  // A lock that is sticky stays so, whatever a rollout of the same pull request asks for.
  const run = known !== null && known.run === null ? null : asked.run;
  desk.putKeep({ ...asked, run, order: known?.order ?? desk.order(), at: known?.at ?? now });
  next(desk, now);
  return { ...result(desk), refusal: null };
}

function samePull(lock: KeepRow, asked: Pick<KeepRow, "owner" | "run">): boolean {
  if (lock.run !== null && lock.run === asked.run) return true;
  const { repository, pull } = lock.owner;
  return pull !== null && repository === asked.owner.repository && pull === asked.owner.pull;
}

/**
 * Lets go of lock and hold. Whether the person may is judged before. A deploy that was lost and that nobody could look at is
 * told as unknown: that is what a person decides who asks for this.
 */
export function unlock(slice: MachineSlice, by: string, now: number): Step {
  const desk = new Desk(slice);
  desk.letGo("lock");
  desk.letGo("hold");
  const lost = desk.in("lost")[0];
  if (lost !== undefined) {
    const { key, run, machine } = lost;
    const outcome: MachineOutcome = {
      kind: "unknown",
      step: lost.step ?? "connect",
      why: `the runner was lost, the machine was not seen since, and ${by} let go of it`.slice(
        0,
        4_096,
      ),
      running: null,
    };
    desk.change(lost, { state: "ended", outcome, changedAt: now });
    desk.effects.push({ kind: "settled", key, run, machine, outcome });
  }
  next(desk, now);
  return result(desk);
}

/**
 * A pull request is over, and with it its lock; a hold is everybody's and stays. While a deploy of it has begun or was lost
 * the lock stays too: not `resolved`.
 */
export function free(
  slice: MachineSlice,
  of: { repository: number; pull: number },
  now: number,
): Step & { resolved: boolean } {
  const desk = new Desk(slice);
  const own = ({ owner }: { owner: Owner }) =>
    owner.repository === of.repository && owner.pull === of.pull;
  if ([...desk.in("begun"), ...desk.in("lost")].some(own))
    return { ...result(desk), resolved: false };
  const lock = desk.keep("lock");
  if (lock !== null && own(lock)) desk.letGo("lock");
  next(desk, now);
  return { ...result(desk), resolved: true };
}

/** A rollout is over: its lock goes with it, and what of it still waits. */
export function leave(slice: MachineSlice, run: TicketRow["run"], now: number): Step {
  const desk = new Desk(slice);
  if (desk.keep("lock")?.run === run) desk.letGo("lock");
  for (const ticket of desk.in("waiting"))
    if (ticket.run === run) desk.change(ticket, { state: "ended", changedAt: now });
  next(desk, now);
  return result(desk);
}

/** What is due by itself: runs that have been silent are asked, and a machine that was lost is looked at. */
export function overdue(slice: MachineSlice, now: number): MachineEffect[] {
  return slice.tickets.flatMap(({ state, changedAt, key, run, machine }): MachineEffect[] => {
    if (state === "lost") return [{ kind: "observe", notBefore: now }];
    if (state !== "begun" || changedAt + SILENT > now) return [];
    return [{ kind: "ask-run", key, run, machine }];
  });
}
