import type { MachineOutcome } from "../../protocol/machine.ts";
import { reasonOf, wordOf } from "./outcome.ts";
import type {
  RolloutChanges,
  RolloutPhase,
  RolloutRow,
  RolloutSlice,
  StageRow,
  Stop,
  TargetRow,
  TargetState,
} from "./stages.ts";

const IN_FLIGHT: ReadonlySet<TargetState> = new Set([
  "asking",
  "queued",
  "granted",
  "deploying",
  "lost",
  "withdrawing",
]);

/** A rollout's rows being changed. */
export class RolloutDraft {
  readonly rollout: RolloutRow;
  readonly #stages: readonly StageRow[];
  readonly #targets: TargetRow[];
  readonly #touched = new Set<TargetRow>();

  constructor({ rollout, stages, targets }: RolloutSlice) {
    this.rollout = { ...rollout };
    this.#stages = stages;
    this.#targets = targets.map((target) => ({ ...target })).toSorted((a, b) => a.order - b.order);
  }

  move(
    machine: string,
    from: readonly TargetState[],
    fields: (target: TargetRow) => Partial<TargetRow>,
  ): void {
    const target = this.#targets.find((one) => one.machine === machine);
    if (target === undefined || !from.includes(target.state)) return;
    this.#change(target, fields(target));
  }

  /** Nothing new begins; what has begun is brought to its end. The first reason stays. */
  stop(stop: Stop): void {
    const { rollout } = this;
    if (rollout.phase === "finished") return;
    rollout.stopped ??= stop;
    for (const target of this.#targets) this.#giveUp(target);
  }

  #giveUp(target: TargetRow): void {
    switch (target.state) {
      case "waiting":
        return this.#change(target, { state: "skipped" });
      case "asking":
      case "queued":
        return this.#change(target, { state: "withdrawing" });
      case "granted":
        return this.#change(target, unbegun(target));
      case "deploying":
      case "lost":
      case "withdrawing":
      case "ending":
      case "ended":
      case "skipped":
        return;
    }
  }

  /** Goes as far as it can without anybody saying anything. */
  advance(now: number | null): void {
    while (this.#once(now));
  }

  #once(now: number | null): boolean {
    const { rollout } = this;
    switch (rollout.phase) {
      case "confirming":
        return rollout.stopped === null ? false : this.#enter("rolling");
      case "rolling":
        return rollout.stopped === null ? this.#roll(now) : this.#wind();
      case "pausing":
        if (
          rollout.stopped === null &&
          (now === null || rollout.resumeAt === null || now < rollout.resumeAt)
        )
          return false;
        rollout.resumeAt = null;
        if (rollout.stopped === null) rollout.stage += 1;
        return this.#enter("rolling");
      case "taking-back":
        return this.#takeBack();
      case "finished":
        return false;
    }
  }

  #roll(now: number | null): boolean {
    const { rollout } = this;
    const stage = this.#stages[rollout.stage];
    if (stage === undefined) return this.#enter("finished");
    const here = this.#targets.filter((target) => target.stage === stage.n);
    const failed = here.filter(({ outcome }) => outcome !== null && outcome.kind !== "active");
    if (failed.length > stage.maxFailures) {
      this.stop({ kind: "failures", why: failuresOf(stage, failed) });
      return true;
    }
    let flying = here.filter(({ state }) => IN_FLIGHT.has(state)).length;
    for (const target of here) {
      if (target.state !== "waiting") continue;
      if (flying >= stage.parallel) return false;
      this.#change(target, { state: "asking" });
      flying += 1;
    }
    if (flying > 0) return false;
    // Its end is known, whether the machine's object has heard of it or not.
    if (rollout.stage + 1 >= this.#stages.length) return this.#enter("finished");
    if (stage.pauseSeconds > 0 && here.length > 0 && now !== null) {
      rollout.resumeAt = now + stage.pauseSeconds * 1_000;
      return this.#enter("pausing");
    }
    rollout.stage += 1;
    return true;
  }

  /** Stopped: what is under way ends; then, by policy, what is done goes back. */
  #wind(): boolean {
    if (this.#targets.some(({ state }) => IN_FLIGHT.has(state))) return false;
    const { onFailure, stopped } = this.rollout;
    // What was lost, or somebody ended, is left as it is: a person decides.
    return this.#enter(
      onFailure === "take-back" && stopped?.kind === "failures" ? "taking-back" : "finished",
    );
  }

  /** One machine after the other, the last one first. One that cannot go back keeps no other from it. */
  #takeBack(): boolean {
    if (this.#targets.some(({ state }) => IN_FLIGHT.has(state))) return false;
    const next = this.#targets.findLast(
      (target) =>
        target.direction === "forward" &&
        target.state === "ended" &&
        target.outcome?.kind === "active" &&
        target.before !== null &&
        target.before !== target.system,
    );
    if (next !== undefined) {
      this.#change(next, { direction: "back", state: "asking", counter: null, step: null });
      return true;
    }
    // One whose end the machine's object has not heard of yet goes back after that.
    if (this.#targets.some(({ state }) => state === "ending")) return false;
    return this.#enter("finished");
  }

  #enter(phase: RolloutPhase): boolean {
    this.rollout.phase = phase;
    return true;
  }

  #change(target: TargetRow, fields: Partial<TargetRow>): void {
    Object.assign(target, fields);
    this.#touched.add(target);
  }

  changes(): RolloutChanges {
    return { rollout: this.rollout, targets: [...this.#touched] };
  }
}

function failuresOf({ label, maxFailures }: StageRow, failed: readonly TargetRow[]): string {
  const named = failed
    .slice(0, 3)
    .map(({ machine, outcome }) =>
      outcome === null
        ? machine
        : `${machine} ${wordOf(outcome.kind)} (${reasonOf(outcome) ?? ""})`,
    );
  const more = failed.length > 3 ? ` and ${failed.length - 3} more` : "";
  return `${label}: ${named.join(", ")}${more}; ${maxFailures} may fail`.slice(0, 4_096);
}

/** A target's fields by how its deploy, or its way back, ended. */
export function ending(target: TargetRow, outcome: MachineOutcome): Partial<TargetRow> {
  return target.direction === "back" ? { back: outcome } : { outcome };
}

export function unbegun(target: TargetRow): Partial<TargetRow> {
  return { state: "ending", ...ending(target, notBegun()) };
}

/** Why the rollout was stopped is said once, and not for each machine. */
export function notBegun(): MachineOutcome {
  return {
    kind: "failed-untouched",
    step: "begin",
    why: "the rollout was stopped before it began here",
    running: null,
  };
}
