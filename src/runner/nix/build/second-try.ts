/**
 * How old a failure of the surroundings has to be before another job may try again (ms). The control plane waits longer
 * than this before it gives such work out again, and jobs that were going on at the time find the failure as it is.
 */
const REST = 20_000;
/** The first time, and the one retry. */
const TRIES = 2;

/** Which derivations of a run the surroundings have failed on this runner, how often, and when. Times in ms. */
export class SecondTries {
  readonly #last = new Map<string, { tries: number; at: number }>();

  note(drv: string, at: number): void {
    this.#last.set(drv, { tries: (this.#last.get(drv)?.tries ?? 0) + 1, at });
  }

  /** Those whose turn has come to be tried once more; never one for the third time. */
  due(now: number): string[] {
    return [...this.#last].flatMap(([drv, { tries, at }]) =>
      tries < TRIES && now - at >= REST ? [drv] : [],
    );
  }
}
