import { createHash, type Hash } from "node:crypto";
import type { LogBudget } from "./budget.ts";

/**
 * Of each stream the first bytes are sent as they come, and of the rest the last. `least` of these are sent although the
 * attempt's budget is used up: an error is at the end.
 */
export const LOG_CAP = { head: 8 * 1_024 * 1_024, tail: 1_024 * 1_024, least: 4_096 } as const;

type Limits = { head: number; tail: number; least: number };

/** Keeps a stream below the cap: head, then a line that says what is missing, then tail. */
export class Cap {
  readonly #limits: Limits;
  readonly #budget: LogBudget;
  readonly #whole: Hash = createHash("sha256");
  #head = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #dropped = 0;

  constructor(budget: LogBudget, limits: Limits = LOG_CAP) {
    this.#budget = budget;
    this.#limits = limits;
  }

  /** What may be sent at once. */
  push(bytes: Uint8Array): Uint8Array {
    this.#whole.update(bytes);
    // Once something is kept back, what follows it is too.
    const room = this.#tail.length > 0 ? 0 : this.#limits.head - this.#head;
    const now = bytes.subarray(0, this.#budget.take(Math.min(room, bytes.length)));
    this.#head += now.length;
    if (now.length < bytes.length) this.#keep(Buffer.from(bytes.subarray(now.length)));
    return now;
  }

  /** The rest, and how many bytes are in nobody's hands. */
  end(): { bytes: Uint8Array; dropped: number } {
    const whole = this.#whole.digest("hex");
    const least = Math.min(this.#limits.least, this.#tailBytes);
    this.#shorten(least + this.#budget.take(this.#tailBytes - least));
    const tail = Buffer.concat(this.#tail);
    if (this.#dropped === 0) return { bytes: tail, dropped: 0 };
    const marker = `\n[snowcat: ${this.#dropped} bytes left out here; SHA-256 of the whole log: ${whole}]\n`;
    return { bytes: Buffer.concat([Buffer.from(marker), tail]), dropped: this.#dropped };
  }

  #keep(bytes: Buffer): void {
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    this.#shorten(this.#limits.tail);
  }

  #shorten(to: number): void {
    let excess = this.#tailBytes - to;
    while (excess > 0) {
      const first = this.#tail[0] ?? Buffer.alloc(0);
      const cut = Math.min(excess, first.length);
      if (cut === first.length) this.#tail.shift();
      else this.#tail[0] = first.subarray(cut);
      this.#dropped += cut;
      this.#tailBytes -= cut;
      excess -= cut;
    }
  }
}
