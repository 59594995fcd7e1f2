import { LOG_BATCH, type LogPart, type ToLog } from "../../protocol/data.ts";
import type { Clock } from "../agent/clock.ts";

/** Longest that a byte waits for more, of its own stream or of others (ms). */
const FLUSH_AFTER = 100;
/** Writers wait while more than this many characters have not reached the disk. */
const BACKLOG = 4 * LOG_BATCH.characters;

type Batch = { parts: LogPart[]; characters: number; done: PromiseWithResolvers<void> };

/**
 * Pieces of all streams of an attempt on their way to its spool. While one frame is written, what comes meanwhile
 * gathers for the next: ten thousand small streams are some tens of frames, each with one sync.
 */
export class LogParts {
  readonly #append: (body: ToLog) => Promise<unknown>;
  readonly #clock: Clock;
  readonly #waiting: Batch[] = [];
  readonly #due = new Set<() => void>();
  #characters = 0;
  #writing = false;
  #timed = false;

  constructor(append: (body: ToLog) => Promise<unknown>, clock: Clock) {
    this.#append = append;
    this.#clock = clock;
  }

  /** Resolves when the part is durable here; parts keep their order. Rejects with what the disk or the protocol says. */
  push(part: LogPart): Promise<void> {
    const size = "data" in part ? part.data.length + 400 : 600;
    let batch = this.#waiting.at(-1);
    if (
      batch === undefined ||
      batch.parts.length >= LOG_BATCH.parts ||
      batch.characters + size > LOG_BATCH.characters
    ) {
      batch = { parts: [], characters: 0, done: Promise.withResolvers() };
      // Whoever pushed gets the failure; one who does not look must not end the agent.
      batch.done.promise.catch(() => undefined);
      this.#waiting.push(batch);
    }
    batch.parts.push(part);
    batch.characters += size;
    this.#characters += size;
    void this.#write();
    return batch.done.promise;
  }

  /** Calls `flush` soon, together with everybody else who asked. */
  later(flush: () => void): void {
    this.#due.add(flush);
    if (this.#timed) return;
    this.#timed = true;
    this.#clock.after(FLUSH_AFTER, () => {
      this.#timed = false;
      const due = [...this.#due];
      this.#due.clear();
      for (const each of due) each();
    });
  }

  /** Resolves when a writer may go on: the back-pressure of disk and network. */
  async room(): Promise<void> {
    while (this.#characters > BACKLOG) await this.#waiting[0]?.done.promise.catch(() => undefined);
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    // What is pushed in this turn of the event loop goes with the first frame.
    await Promise.resolve();
    for (let batch = this.#waiting[0]; batch !== undefined; batch = this.#waiting[0]) {
      const { parts, done } = batch;
      try {
        // No longer open to more from here on.
        this.#waiting[0] = { parts: [], characters: Number.POSITIVE_INFINITY, done };
        await this.#append({ kind: "parts", parts });
        done.resolve();
      } catch (error) {
        done.reject(error);
      }
      this.#waiting.shift();
      this.#characters -= batch.characters;
    }
    this.#writing = false;
  }
}
