/** So many deliveries (or bytes) within so short a time (ms) are a storm: accepting comes first, handling can wait. */
const STORM = { deliveries: 32, bytes: 4_000_000, within: 500 } as const;

/** What one turn of handling takes on, and the pause (ms) before the next. */
export type Turn = { rows: number; bytes: number; pause: number };

const CALM: Turn = { rows: 64, bytes: 4_000_000, pause: 0 };
const BUSY: Turn = { rows: 8, bytes: 256_000, pause: 1_000 };

/**
 * Watches how fast deliveries come. GitHub gives up after ten seconds and does not come back by itself; a check that
 * appears a second later is no harm. Objects that share an isolate share its one thread, so they share a pace as well.
 */
export class Pace {
  readonly #came: { at: number; bytes: number }[] = Array.from(
    { length: STORM.deliveries },
    () => ({ at: 0, bytes: 0 }),
  );
  #next = 0;

  came(at: number, bytes: number): void {
    this.#came[this.#next] = { at, bytes };
    this.#next = (this.#next + 1) % this.#came.length;
  }

  turn(now: number): Turn {
    const recent = this.#came.filter(({ at }) => now - at < STORM.within);
    const bytes = recent.reduce((sum, one) => sum + one.bytes, 0);
    return recent.length === STORM.deliveries || bytes >= STORM.bytes ? BUSY : CALM;
  }
}

/** The isolate's. A hint and nothing more: losing it costs nothing. */
export const pace = new Pace();
