import type { Worth } from "./queue.ts";

/** Seconds of work that are worth a process of their own, and that may wait behind one that takes long. */
const WORTH = { least: 0.5, most: 3 } as const;
/** Builds of a process while nobody knows how long one takes. */
const UNKNOWN: Worth = { least: 1, most: 16 };

/** How long builds took so far, and so how many of them a process is given: for less it would cost more than it spreads. */
export class Pace {
  #builds = 0;
  #seconds = 0;

  took(builds: number, seconds: number): void {
    this.#builds += builds;
    this.#seconds += seconds;
  }

  worth(): Worth {
    if (this.#builds === 0) return UNKNOWN;
    const fit = (work: number): number =>
      Math.max(1, Math.floor((work * this.#builds) / Math.max(this.#seconds, 0.001)));
    return { least: fit(WORTH.least), most: fit(WORTH.most) };
  }
}
