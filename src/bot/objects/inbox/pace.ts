/** So many deliveries within so short a time (ms) are a storm: accepting comes first, handling can wait a little. */
const STORM = { deliveries: 32, within: 500 } as const;

/** What one turn of handling takes on, and the pause (ms) before the next. */
export type Turn = { rows: number; bytes: number; pause: number };

const CALM: Turn = { rows: 64, bytes: 8_000_000, pause: 0 };
const BUSY: Turn = { rows: 8, bytes: 256_000, pause: 200 };

/** Watches how fast deliveries come. GitHub gives up after 10 s, people wait for checks for minutes. */
export class Pace {
  readonly #times: number[] = Array.from({ length: STORM.deliveries }, () => 0);
  #next = 0;

  came(now: number): void {
    this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % this.#times.length;
  }

  turn(now: number): Turn {
    const oldest = this.#times[this.#next] ?? 0;
    return now - oldest < STORM.within ? BUSY : CALM;
  }
}
