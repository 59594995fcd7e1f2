/**
 * An object's only alarm. What it is set to is kept in memory, because asking the storage at every accepted delivery
 * costs ten times the latency; after a restart it is unknown, and setting an earlier time is always right.
 */
export class Alarm {
  readonly #storage: DurableObjectStorage;
  #at: number | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Rings at `at` (Unix ms) at the latest. Durable with the caller's other writes: the output gate waits for both. */
  by(at: number): void {
    if (this.#at !== null && this.#at <= at) return;
    this.#at = at;
    // A write that fails resets the object and takes the answer with it, so nothing is to be awaited here.
    void this.#storage.setAlarm(Math.max(1, at));
  }

  /** Compares what is remembered with what the storage says: an alarm that failed too often is gone without a word. */
  async check(): Promise<void> {
    if ((await this.#storage.getAlarm()) === null) this.#at = null;
  }

  /** It rang: from here on none is set. */
  rang(): void {
    this.#at = null;
  }
}
