import type { DeployStep, MachineOutcome } from "../../protocol/machine.ts";

/** Rows of a rollout. */

/**
 * `confirming`: waits for a person. `pausing`: the last stage was healthy, the next begins at `resumeAt`. `taking-back`:
 * stopped, and machines that are done go back to what they ran before. `finished` is for good.
 */
export type RolloutPhase = "confirming" | "rolling" | "pausing" | "taking-back" | "finished";

export type Stop = {
  /** `failures`: too many machines of a stage. `lost`: nobody knows what became of one. `cancelled`: somebody asked. */
  kind: "failures" | "lost" | "cancelled" | "refused";
  why: string;
};

/** One row. Times in ms. */
export type RolloutRow = {
  phase: RolloutPhase;
  /** The stage that is under way, counted from 0. */
  stage: number;
  /** By policy: machines that are done when it stops for failures stay, or go back. */
  onFailure: "stop" | "take-back";
  resumeAt: number | null;
  /** Who may confirm (numeric id), and until when. */
  confirm: { by: number; until: number } | null;
  stopped: Stop | null;
};

export type StageRow = {
  n: number;
  /** As the configuration has it: `tag:canary`. */
  label: string;
  /** Machines at once. */
  parallel: number;
  /** Machines that may end otherwise than active before the rollout stops. */
  maxFailures: number;
  /** Between this stage's end and the next one's beginning (s). */
  pauseSeconds: number;
};

/**
 * `waiting` → `asking` (the machine's object is asked for a turn) → `queued` (it is not its turn yet) → `granted` (the job is
 * to be made) → `deploying` → `ending` (the object is to be told) → `ended`. `lost`: the object finds out. `withdrawing`: the
 * wish is taken back. `skipped`: never begun.
 */
export type TargetState =
  | "waiting"
  | "asking"
  | "queued"
  | "granted"
  | "deploying"
  | "lost"
  | "withdrawing"
  | "ending"
  | "ended"
  | "skipped";

export type TargetRow = {
  machine: string;
  stage: number;
  /** Within the rollout, from 0. */
  order: number;
  direction: "forward" | "back";
  state: TargetState;
  counter: number | null;
  step: DeployStep | null;
  /** What is to run, and what ran when it was planned. */
  system: string | null;
  before: string | null;
  /** How it ended, and how taking it back did. */
  outcome: MachineOutcome | null;
  back: MachineOutcome | null;
};

export type RolloutSlice = {
  rollout: RolloutRow;
  stages: readonly StageRow[];
  targets: readonly TargetRow[];
};
/** Whole rows; `rollout` always. */
export type RolloutChanges = { rollout: RolloutRow; targets: TargetRow[] };
