import { within } from "../within.ts";

/** After the n-th failed try (ms): doubled from a second, up to ten minutes. */
function pauseAfter(tries: number): number {
  return Math.min(1_000 * 2 ** tries, 600_000);
}

/** No callee may hold the object's only alarm for longer (ms). */
const LONGEST_CALL = 30_000;
/** Performed at once, each for another target. */
const AT_ONCE = 16;

export type DueRow = { id: number; kind: string; target: string; payload: string; tries: number };

/**
 * Performs one row. Answers what to write with its removal, in one transaction; or that it is to be tried again after
 * so many ms (an expected delay, such as a rate limit). Throwing is trying again as well. Performing twice must be
 * harmless: the answer may be lost after the effect.
 */
export type Perform = (row: DueRow) => Promise<{ done: () => void } | { retryAfter: number }>;

/** What is to be done outside the object, or later: the outbox. Rows of one target keep their order. */
export class Due {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Inside the caller's transaction. */
  add(kind: string, target: string, payload: unknown, at: number): void {
    this.#storage.sql.exec(
      "INSERT INTO due (kind, target, at, payload) VALUES (?, ?, ?, ?)",
      kind,
      target,
      at,
      JSON.stringify(payload),
    );
  }

  /** As `add`, unless something waits for the target already. */
  once(kind: string, target: string, at: number): void {
    if (
      this.#storage.sql.exec("SELECT 1 FROM due WHERE target = ? LIMIT 1", target).toArray()
        .length === 0
    )
      this.add(kind, target, {}, at);
  }

  /** Instead of everything that waits for the target; null is nothing. Inside the caller's transaction. */
  only(kind: string, target: string, at: number | null): void {
    this.#storage.sql.exec("DELETE FROM due WHERE target = ?", target);
    if (at !== null) this.add(kind, target, {}, at);
  }

  nextAt(): number | null {
    const [first] = this.#storage.sql
      .exec<{ at: number }>(
        "SELECT at FROM due AS d WHERE id = (SELECT MIN(id) FROM due WHERE target = d.target) ORDER BY at LIMIT 1",
      )
      .toArray();
    return first?.at ?? null;
  }

  /** Performs what is due until nothing is, or something failed. */
  async run(perform: Perform, now: () => number): Promise<void> {
    for (;;) {
      const rows = this.#storage.sql
        .exec<DueRow>(
          `SELECT id, kind, target, payload, tries FROM due AS d
            WHERE at <= ? AND id = (SELECT MIN(id) FROM due WHERE target = d.target) ORDER BY id LIMIT ?`,
          now(),
          AT_ONCE,
        )
        .toArray();
      if (rows.length === 0) return;
      await Promise.all(rows.map((row) => this.#one(row, perform, now)));
    }
  }

  async #one(row: DueRow, perform: Perform, now: () => number): Promise<void> {
    let retryAfter = pauseAfter(row.tries);
    try {
      const outcome = await within(LONGEST_CALL, perform(row));
      if ("done" in outcome) {
        this.#storage.transactionSync(() => {
          this.#storage.sql.exec("DELETE FROM due WHERE id = ?", row.id);
          outcome.done();
        });
        return;
      }
      // A callee that asks for nothing at all must not make the object spin.
      retryAfter = Math.max(1_000, outcome.retryAfter);
    } catch (error) {
      console.warn(
        JSON.stringify({
          what: "effect failed",
          kind: row.kind,
          target: row.target,
          tries: row.tries + 1,
          error: error instanceof Error ? error.message.slice(0, 512) : String(error),
        }),
      );
    }
    this.#storage.sql.exec(
      "UPDATE due SET tries = tries + 1, at = ? WHERE id = ?",
      now() + retryAfter,
      row.id,
    );
  }
}
