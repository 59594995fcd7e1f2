import { ATTEMPT_LOG_BYTES } from "../../protocol/data.ts";

/** What all streams of an attempt may send together: ten thousand of them are each below their own cap. */
export class LogBudget {
  #left: number;

  constructor(bytes: number = ATTEMPT_LOG_BYTES) {
    this.#left = bytes;
  }

  /** How many of so many bytes may be sent: what is taken is never given back. */
  take(bytes: number): number {
    const granted = Math.min(bytes, this.#left);
    this.#left -= granted;
    return granted;
  }
}
