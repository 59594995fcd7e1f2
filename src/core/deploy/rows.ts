import type { RunId } from "../../protocol/identifiers.ts";
import type { DeployStep, MachineOutcome, Method, Observation } from "../../protocol/machine.ts";

/** What one machine's object keeps: its counter and what was last seen, who waits for it or has it, and who keeps it. */

/** For whom something is done. Another repository of the account may name the same machine. */
export type Owner = {
  /** Numeric id. */
  repository: number;
  pull: number | null;
  /** Login, for people; or what began it, such as `schedule`. */
  by: string;
};

/** One row for each machine. Times in ms. */
export type MachineRow = {
  /** The highest deploy counter that was handed out, or that the machine has shown. Never falls. */
  counter: number;
  /** Of the next ticket or keep: both are counted together, so that it is known which came first. */
  nextOrder: number;
  /** The last thing that was heard of it, whoever asked. */
  observation: Observation | null;
  /** Since when (Unix ms) it has not answered, and why; null where it did when it was asked last. */
  unreachable: { since: number; why: string } | null;
};

/**
 * `waiting` → `begun` (the counter is its) → `ended`. `lost`: nobody knows what became of it; nothing else begins before
 * the machine was looked at.
 */
export type TicketState = "waiting" | "begun" | "lost" | "ended";

/** Somebody's wish to change the machine, once; one row. What has ended is the machine's history. */
export type TicketRow = {
  /** Of the wish: the same key is the same wish, however often it is asked. */
  key: string;
  order: number;
  run: RunId;
  /** As the repository calls it. */
  machine: string;
  owner: Owner;
  /** A rollback is exempt from staleness and from what was found bad. */
  purpose: "deploy" | "rollback";
  method: Method;
  sha: string;
  /** The system that is to run; null for a generation that is known by its number only. */
  system: string | null;
  /** What the plan was made against; null: whatever runs. */
  expected: string | null;
  /** Also what was taken back before. */
  force: boolean;
  state: TicketState;
  /** Null until it has begun. */
  counter: number | null;
  /** What ran when it began, as far as that was seen. */
  before: string | null;
  /** The last step that was heard of. */
  step: DeployStep | null;
  askedAt: number;
  changedAt: number;
  /** Null of one that was withdrawn or refused, and until it has ended. */
  outcome: MachineOutcome | null;
};

/** A lock lets its pull request go on, a hold nobody. One of each kind at most; one row. */
export type KeepRow = {
  kind: "lock" | "hold";
  order: number;
  owner: Owner;
  reason: string | null;
  /** A lock for this rollout alone, which lets go of it when it is over; null is sticky. */
  run: RunId | null;
  at: number;
};

/** What was activated here and had to be taken back, a system or `commit:<sha>` (see `blamed`); one row. */
export type BadRow = { system: string; sha: string; why: string; at: number };

/** What a decision looks at: all that is open, and the rows of what is asked. */
export type MachineSlice = {
  machine: MachineRow;
  /** Every ticket that has not ended, and the one that is asked about, if there is any. */
  tickets: readonly TicketRow[];
  keeps: readonly KeepRow[];
  /** Those that these tickets would bring, by `blamed`. */
  bad: readonly BadRow[];
};

/** What is to be written: whole rows, by key. `machine` is always the whole row. */
export type MachineChanges = {
  machine: MachineRow;
  tickets: TicketRow[];
  keeps: KeepRow[];
  /** Kinds of keeps that are over. */
  letGo: KeepRow["kind"][];
  bad: BadRow[];
  /** Systems that are not bad any more. */
  redeemed: string[];
};

export type Refusal = { code: "locked" | "held" | "bad" | "stale" | "busy" | "gone"; why: string };

/** To be performed after the commit, and again until it is answered. */
export type MachineEffect =
  /** To the run, which makes the deploy job. */
  | { kind: "granted"; key: string; run: RunId; machine: string; counter: number }
  | { kind: "refused"; key: string; run: RunId; machine: string; refusal: Refusal }
  /** How a deploy ended that was lost: told by what was seen of the machine. */
  | { kind: "settled"; key: string; run: RunId; machine: string; outcome: MachineOutcome }
  /** A job `observe`, not before this time. */
  | { kind: "observe"; notBefore: number }
  /** Whether it still goes on: nothing was heard of it for long. */
  | { kind: "ask-run"; key: string; run: RunId; machine: string };

export function initialMachine(): MachineRow {
  return { counter: 0, nextOrder: 1, observation: null, unreachable: null };
}
