import type { Component, Need } from "./plan.ts";
import { BATCH, components, depthFirst, peel, reach } from "./plan.ts";

/** What one process is given. */
export interface Work {
  readonly drvs: readonly string[];
  /** Goals that wait for the end of this one, and are planned then. */
  readonly after: readonly string[];
  /** Builds side by side. */
  readonly jobs: number;
  /** Everything that it may build. */
  readonly members: readonly string[];
}

/** A component of few goals is given to one process whole, however deep: Nix itself builds nothing twice. */
const FEW_GOALS = 8;

/**
 * How many builds a process is given: as few as are worth one, and no more than shall wait behind one of them that takes
 * long, which nobody can foresee.
 */
export interface Worth {
  readonly least: number;
  readonly most: number;
}

/** What waits to be built, as components that share nothing. */
export class Queue {
  readonly #slots: number;
  #waiting: Component[] = [];

  constructor(slots: number) {
    this.#slots = slots;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Puts goals in, by what they share. */
  add(goals: readonly string[], need: Need): void {
    this.#waiting.push(...components(goals, need));
    // The largest first: what hangs together takes longest, and nobody is to wait for it at the end.
    this.#waiting.sort((a, b) => b.members.length - a.members.length);
  }

  /**
   * The next process's work: small components packed together, or the first part of a large one. Null when nothing that
   * waits can be taken.
   * @param suspects derivations to be tried alone, before anything that stands on them.
   * @param take reserves derivations; false when somebody else builds one of them.
   */
  next(
    need: Need,
    suspects: ReadonlySet<string>,
    idle: boolean,
    { least, most }: Worth,
    take: (members: readonly string[]) => boolean,
  ): Work | null {
    const at = this.#waiting.findIndex((component) => take(component.members));
    const [first] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (first === undefined) return null;
    const alone = this.isEmpty && idle;
    const jobs = alone ? this.#slots : 1;
    const part = partOf(first, need, suspects);
    if (part !== null) return { drvs: part, after: first.goals, jobs, members: first.members };
    const drvs = [...first.goals];
    const members = [...first.members];
    // Guided: large batches while there is much to do, small ones at the end, so that nobody waits for one long batch.
    const left = this.#waiting.reduce(
      (sum, component) => sum + component.members.length,
      members.length,
    );
    const size = Math.min(BATCH, Math.max(least, Math.min(most, Math.ceil(left / this.#slots))));
    this.#waiting = this.#waiting.filter((component) => {
      if (members.length + component.members.length > size) return true;
      if (partOf(component, need, suspects) !== null || !take(component.members)) return true;
      drvs.push(...component.goals);
      members.push(...component.members);
      return false;
    });
    return { drvs, after: [], jobs: alone && this.isEmpty ? this.#slots : 1, members };
  }
}

/** What has to be built of a component before the rest of it; null when it can be given to one process whole. */
function partOf(
  component: Component,
  need: Need,
  suspects: ReadonlySet<string>,
): readonly string[] | null {
  if (suspects.size > 0) {
    const members = reach(component.goals, need.below);
    const suspect = depthFirst(component.goals, need.below).find(
      (drv) => suspects.has(drv) && members.has(drv),
    );
    if (suspect !== undefined) return [suspect];
  }
  if (component.members.length <= BATCH || component.goals.length <= FEW_GOALS) return null;
  const part = peel(component, need);
  return part.length > 0 ? part : null;
}
