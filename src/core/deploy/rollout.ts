import type { DeployStep, MachineOutcome } from "../../protocol/machine.ts";
import { conclusionOfAll } from "./outcome.ts";
import { ending, notBegun, RolloutDraft, unbegun } from "./rollout-draft.ts";
import type { Refusal } from "./rows.ts";
import type { RolloutChanges, RolloutRow, RolloutSlice, StageRow, TargetRow } from "./stages.ts";

/**
 * One deploy of one commit to machines, in stages. Everything is in rows, and what is to be done next is read off them
 * (`needs`), so that whatever dies in between is taken up again. No machine is ever deployed to twice by one rollout, but to
 * be taken back.
 */

export type RolloutEvent =
  /** Somebody confirmed (numeric id of the account). */
  | { kind: "confirmed"; by: number }
  /** The machine's object: it is this rollout's turn, or not yet, or it will not be. */
  | { kind: "granted"; machine: string; counter: number }
  | { kind: "queued"; machine: string }
  | { kind: "refused"; machine: string; refusal: Refusal }
  /** It had not begun and does not any more. */
  | { kind: "withdrawn"; machine: string }
  /** The job was made, with this counter. */
  | { kind: "begun"; machine: string; counter: number }
  | { kind: "step"; machine: string; counter: number; step: DeployStep }
  /** As the runner told it. */
  | { kind: "ended"; machine: string; counter: number; outcome: MachineOutcome }
  /** The job is over and nobody told how the machine ended. */
  | { kind: "lost"; machine: string; counter: number; why: string }
  /** What the machine's object found out. */
  | { kind: "settled"; machine: string; outcome: MachineOutcome }
  /** The machine's object was told. */
  | { kind: "told"; machine: string }
  | { kind: "cancel"; by: string }
  /** What it was begun by does not hold any more: the head has moved, say. Nothing more begins. */
  | { kind: "objected"; why: string }
  /** Time has passed. */
  | { kind: "tick" };

/** What is to be done, until an event says that it was. Doing it twice is harmless by its key. */
export type RolloutNeed =
  | { kind: "ask"; machine: string; key: string }
  | { kind: "withdraw"; machine: string; key: string }
  | {
      kind: "deploy";
      machine: string;
      key: string;
      counter: number;
      direction: TargetRow["direction"];
    }
  | { kind: "lose"; machine: string; key: string; step: DeployStep | null }
  | { kind: "end"; machine: string; key: string; counter: number; outcome: MachineOutcome }
  /** Nothing before this time (ms), then a `tick`. */
  | { kind: "wake"; at: number };

export type Planned = {
  machine: string;
  stage: number;
  system: string | null;
  before: string | null;
};

/** A rollout that has been planned; `confirm` where somebody has to. The stages are in their order. */
export function newRollout(
  stages: readonly Omit<StageRow, "n">[],
  machines: readonly Planned[],
  options: Pick<RolloutRow, "onFailure" | "confirm">,
): { rollout: RolloutRow; stages: StageRow[]; targets: TargetRow[] } {
  const slice = {
    rollout: {
      phase: options.confirm === null ? ("rolling" as const) : ("confirming" as const),
      stage: 0,
      onFailure: options.onFailure,
      resumeAt: null,
      confirm: options.confirm,
      stopped: null,
    },
    stages: stages.map((stage, n) => ({ ...stage, n })),
    targets: machines
      .toSorted((a, b) => a.stage - b.stage)
      .map((machine, order): TargetRow => ({
        ...machine,
        order,
        direction: "forward",
        state: "waiting",
        counter: null,
        step: null,
        outcome: null,
        back: null,
      })),
  };
  const draft = new RolloutDraft(slice);
  draft.advance(null);
  const changed = new Map(draft.changes().targets.map((target) => [target.machine, target]));
  return {
    ...slice,
    rollout: draft.rollout,
    targets: slice.targets.map((target) => changed.get(target.machine) ?? target),
  };
}

/** What an event does. Total: what does not apply changes nothing. */
export function stepRollout(slice: RolloutSlice, event: RolloutEvent, now: number): RolloutChanges {
  const draft = new RolloutDraft(slice);
  if (draft.rollout.phase !== "finished" || event.kind === "told") apply(draft, event, now);
  draft.advance(now);
  return draft.changes();
}

function apply(draft: RolloutDraft, event: RolloutEvent, now: number): void {
  const { rollout } = draft;
  switch (event.kind) {
    case "confirmed":
      if (rollout.phase === "confirming" && rollout.confirm?.by === event.by)
        rollout.phase = "rolling";
      return;
    case "cancel":
      return draft.stop({ kind: "cancelled", why: `${event.by} ended it` });
    case "objected":
      return draft.stop({ kind: "refused", why: event.why.slice(0, 4_096) });
    case "tick":
      if (
        rollout.phase === "confirming" &&
        rollout.confirm !== null &&
        now >= rollout.confirm.until
      )
        draft.stop({ kind: "refused", why: "nobody confirmed it in time" });
      return;
    case "granted":
      return draft.move(event.machine, ["asking", "queued", "withdrawing"], (target) =>
        // It was this rollout's turn before the withdrawal was heard of: it ends without having begun.
        target.state === "withdrawing"
          ? { counter: event.counter, ...unbegun(target) }
          : { state: "granted", counter: event.counter },
      );
    case "queued":
      return draft.move(event.machine, ["asking"], () => ({ state: "queued" }));
    case "refused":
      return draft.move(event.machine, ["asking", "queued"], (target) => ({
        state: "ended",
        ...ending(target, refused(event.refusal)),
      }));
    case "withdrawn":
      return draft.move(event.machine, ["withdrawing"], (target) =>
        target.direction === "back" ? { state: "ended", back: notBegun() } : { state: "skipped" },
      );
    case "begun":
      return draft.move(event.machine, ["granted"], (target) =>
        target.counter === event.counter ? { state: "deploying" } : {},
      );
    case "step":
      return draft.move(event.machine, ["deploying", "lost"], (target) =>
        target.counter === event.counter ? { step: event.step } : {},
      );
    case "ended":
      return draft.move(event.machine, ["deploying", "lost"], (target) =>
        target.counter === event.counter
          ? { state: "ending", ...ending(target, event.outcome) }
          : {},
      );
    case "lost":
      return draft.move(event.machine, ["deploying"], (target) => {
        if (target.counter !== event.counter) return {};
        draft.stop({ kind: "lost", why: `${event.machine}: ${event.why}` });
        return { state: "lost" };
      });
    case "settled":
      return draft.move(event.machine, ["lost", "deploying"], (target) => {
        if (target.state === "deploying")
          draft.stop({ kind: "lost", why: `${event.machine}: its runner was lost` });
        // The machine's object knows already: it was its word.
        return { state: "ended", ...ending(target, event.outcome) };
      });
    case "told":
      return draft.move(event.machine, ["ending"], () => ({ state: "ended" }));
  }
}

/** What is to be done now, by the rows alone. `again`: also what was asked before and may have been forgotten. */
export function needs(
  { rollout, targets }: RolloutSlice,
  run: string,
  again = false,
): RolloutNeed[] {
  const found: RolloutNeed[] = [];
  for (const target of targets) {
    const { machine, counter, direction, step } = target;
    const key = ticketKey(run, machine, direction);
    const outcome = direction === "back" ? target.back : target.outcome;
    switch (target.state) {
      case "asking":
        found.push({ kind: "ask", machine, key });
        break;
      case "queued":
        if (again) found.push({ kind: "ask", machine, key });
        break;
      case "granted":
        if (counter !== null) found.push({ kind: "deploy", machine, key, counter, direction });
        break;
      case "lost":
        found.push({ kind: "lose", machine, key, step });
        break;
      case "withdrawing":
        found.push({ kind: "withdraw", machine, key });
        break;
      case "ending":
        if (counter !== null && outcome !== null)
          found.push({ kind: "end", machine, key, counter, outcome });
        break;
      case "waiting":
      case "deploying":
      case "ended":
      case "skipped":
        break;
    }
  }
  if (rollout.phase === "pausing" && rollout.resumeAt !== null)
    found.push({ kind: "wake", at: rollout.resumeAt });
  if (rollout.phase === "confirming" && rollout.confirm !== null)
    found.push({ kind: "wake", at: rollout.confirm.until });
  return found;
}

/** Key of the wish for a machine, as its object knows it. */
export function ticketKey(run: string, machine: string, direction: TargetRow["direction"]): string {
  return `${run}/${direction}/${machine}`;
}

/** Of the rollout's check run; null while it goes on. What was taken back is no success, however well that went. */
export function rolloutConclusion({ rollout, targets }: RolloutSlice) {
  if (rollout.phase !== "finished") return null;
  if (rollout.stopped !== null && targets.every(({ outcome }) => outcome === null))
    return rollout.stopped.kind === "cancelled" ? "cancelled" : "action_required";
  const all = conclusionOfAll(targets.map(({ outcome }) => outcome?.kind ?? "skipped"));
  if (all === "success" && rollout.stopped !== null) return "failure";
  return all;
}

function refused({ code, why }: Refusal): MachineOutcome {
  if (code === "held" || code === "locked") return { kind: "held", why, running: null };
  return { kind: "failed-untouched", step: "begin", why, running: null };
}
