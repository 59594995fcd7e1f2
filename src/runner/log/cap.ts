import { createHash, type Hash } from "node:crypto";

/** Of each stream the first bytes are sent as they come, and of the rest the last. */
export const LOG_CAP = { head: 8 * 1_024 * 1_024, tail: 1_024 * 1_024 } as const;

/** Keeps a stream below the cap: head, then a line that says what is missing, then tail. */
export class Cap {
  readonly #limits: { head: number; tail: number };
  readonly #whole: Hash = createHash("sha256");
  #head = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #dropped = 0;

  constructor(limits: { head: number; tail: number } = LOG_CAP) {
    this.#limits = limits;
  }

  /** What may be sent at once. */
  push(bytes: Uint8Array): Uint8Array {
    this.#whole.update(bytes);
    const room = this.#limits.head - this.#head;
    const now = bytes.subarray(0, Math.max(0, room));
    this.#head += now.length;
    if (now.length < bytes.length) this.#keep(Buffer.from(bytes.subarray(now.length)));
    return now;
  }

  /** The rest, and how many bytes are in nobody's hands. */
  end(): { bytes: Uint8Array; dropped: number } {
    const whole = this.#whole.digest("hex");
    const tail = Buffer.concat(this.#tail);
    if (this.#dropped === 0) return { bytes: tail, dropped: 0 };
    const marker = `\n[snowcat: ${this.#dropped} bytes left out here; SHA-256 of the whole log: ${whole}]\n`;
    return { bytes: Buffer.concat([Buffer.from(marker), tail]), dropped: this.#dropped };
  }

  #keep(bytes: Buffer): void {
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    let excess = this.#tailBytes - this.#limits.tail;
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
