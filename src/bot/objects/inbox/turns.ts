import type { Alarm } from "./alarm.ts";
import type { Due, Perform } from "./due.ts";
import type { Handle, Inbox } from "./inbox.ts";

/** After a bug that nothing caught (ms): the alarm has to ring again all the same, or nothing ever does. */
const AFTER_BUG = 5_000;

export type Parts = { object: string; alarm: Alarm; inbox: Inbox; due: Due };

/** What an object that takes deliveries in does by itself: its alarm drains the inbox, then performs what is due. */
export class Turns {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async ring(handle: Handle, perform: Perform): Promise<void> {
    const { object, alarm, inbox, due } = this.#parts;
    alarm.rang();
    let next: number | null;
    try {
      next = await inbox.drain(handle, Date.now);
      await due.run(perform, Date.now);
    } catch (error) {
      console.error(
        JSON.stringify({
          what: "alarm failed",
          object,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
      );
      next = Date.now() + AFTER_BUG;
    }
    this.#arm(next);
  }

  /** Puts a lost alarm back. */
  async wake(): Promise<void> {
    await this.#parts.alarm.check();
    this.#arm(this.#parts.inbox.nextAt());
  }

  #arm(inboxAt: number | null): void {
    const at = [inboxAt, this.#parts.due.nextAt()].filter((time) => time !== null);
    if (at.length > 0) this.#parts.alarm.by(Math.min(...at));
  }
}
