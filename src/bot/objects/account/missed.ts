import {
  afterAsking,
  type DeliveryAttempt,
  KEPT_BY_GITHUB,
  type MissedRow,
  noted,
  type Walk,
  walked,
} from "../../../core/sweep/missed.ts";

type Stored = { guid: string; id: number; at: number; ok: number; asked: number; due_at: number };

/** Deliveries that GitHub could not bring, and how far its log of them was read. Kept by object 0. */
export class Missed {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  walk(): Walk & { pausedUntil: number } {
    const [row] = this.#storage.sql
      .exec<{
        until: number | null;
        top: number | null;
        cursor: string | null;
        paused_until: number;
      }>("SELECT until, top, cursor, paused_until FROM walk")
      .toArray();
    return row === undefined
      ? { until: null, top: null, cursor: null, pausedUntil: 0 }
      : { until: row.until, top: row.top, cursor: row.cursor, pausedUntil: row.paused_until };
  }

  /** What a page of the log says. */
  note(attempts: readonly DeliveryAttempt[], next: string | null, now: number): Walk {
    return this.#storage.transactionSync(() => {
      for (const attempt of attempts) {
        const row = noted(this.#get(attempt.guid), attempt);
        if (row !== null) this.#save(row);
      }
      const oldest = attempts.length === 0 ? null : Math.min(...attempts.map(({ at }) => at));
      const walk = walked(this.walk(), { next, oldest }, now);
      this.#saveWalk(walk, 0);
      // Those that GitHub does not keep any more. Those that came stay as long: their first try is read again.
      this.#storage.sql.exec("DELETE FROM missed WHERE at < ?", now - KEPT_BY_GITHUB);
      return walk;
    });
  }

  /** The place in the log is not there any more: from its newest entry again. */
  restart(): void {
    const { until } = this.walk();
    this.#saveWalk({ until, top: null, cursor: null }, 0);
  }

  pause(until: number): void {
    this.#saveWalk(this.walk(), until);
  }

  /** What is to be asked for now, oldest first. */
  due(now: number, limit: number): { guid: string; id: number }[] {
    return this.#storage.sql
      .exec<{ guid: string; id: number }>(
        "SELECT guid, id FROM missed WHERE ok = 0 AND due_at <= ? ORDER BY at LIMIT ?",
        now,
        limit,
      )
      .toArray();
  }

  /** It was asked for. @returns whether it will be again, should it fail again. */
  asked(guid: string, now: number): boolean {
    const row = this.#get(guid);
    if (row === null) return false;
    const next = afterAsking(row, now);
    this.#save(next ?? { ...row, dueAt: Number.MAX_SAFE_INTEGER });
    return next !== null;
  }

  #get(guid: string): MissedRow | null {
    const [row] = this.#storage.sql
      .exec<Stored>("SELECT guid, id, at, ok, asked, due_at FROM missed WHERE guid = ?", guid)
      .toArray();
    if (row === undefined) return null;
    const { due_at: dueAt, ok, ...rest } = row;
    return { ...rest, ok: ok === 1, dueAt };
  }

  #save({ guid, id, at, ok, asked, dueAt }: MissedRow): void {
    this.#storage.sql.exec(
      "INSERT OR REPLACE INTO missed (guid, id, at, ok, asked, due_at) VALUES (?, ?, ?, ?, ?, ?)",
      guid,
      id,
      at,
      ok ? 1 : 0,
      asked,
      dueAt,
    );
  }

  #saveWalk({ until, top, cursor }: Walk, pausedUntil: number): void {
    this.#storage.sql.exec(
      "INSERT OR REPLACE INTO walk (one, until, top, cursor, paused_until) VALUES (1, ?, ?, ?, ?)",
      until,
      top,
      cursor,
      pausedUntil,
    );
  }
}
