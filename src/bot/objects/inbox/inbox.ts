import type { Accepted, Delivery } from "../contracts.ts";
import type { Alarm } from "./alarm.ts";
import { pace, type Turn } from "./pace.ts";

/** Above this a body is kept in R2: a row holds 2 MB. */
const LARGEST_ROW_BODY = 1_000_000;
/** GitHub can bring a delivery again for three days; a day more covers a late sweep (ms). */
export const REMEMBERED = 4 * 24 * 3_600_000;
/** Deliveries set aside that are kept with their bodies, for whoever looks into them. */
const MOST_ASIDE = 50;
/** Those that are kept without, as lines with their error. */
const MOST_LINES = 1_000;
/** Tries to fetch a body before the delivery is set aside, and the pause after the first (ms), doubled each time. */
const FETCH = { tries: 8, pause: 1_000 } as const;

export type Waiting = {
  id: number;
  delivery: string;
  event: string;
  receivedAt: number;
  text: string;
};
/** Applies the delivery; everything it writes belongs into the one transaction that `done` runs in. */
export type Handle = (row: Waiting) => Promise<() => void>;
type Row = {
  id: number;
  delivery: string;
  event: string;
  received_at: number;
  size: number;
  tries: number;
};

export class Inbox {
  readonly #storage: DurableObjectStorage;
  readonly #blobs: R2Bucket;
  readonly #alarm: Alarm;
  /** Prefix of this object's keys in R2. */
  readonly #prefix: string;
  /** Something waits and the alarm is set for it. */
  #armed = false;

  constructor(storage: DurableObjectStorage, blobs: R2Bucket, alarm: Alarm, prefix: string) {
    this.#storage = storage;
    this.#blobs = blobs;
    this.#alarm = alarm;
    this.#prefix = prefix;
  }

  /** Commits the delivery; a known one changes nothing. */
  async accept(delivery: Delivery): Promise<Accepted> {
    const { sql } = this.#storage;
    const size = delivery.body.byteLength;
    let blob: string | null = null;
    if (size > LARGEST_ROW_BODY) {
      if (this.#knows(delivery.id)) return { outcome: "known" };
      blob = `${this.#prefix}/${delivery.id}`;
      await this.#blobs.put(blob, delivery.body);
    }
    const inserted = sql.exec<{ id: number }>(
      `INSERT INTO inbox (delivery, event, received_at, state, at, size, body, blob) VALUES (?, ?, ?, 'waiting', ?, ?, ?, ?)
        ON CONFLICT (delivery) DO NOTHING RETURNING id`,
      delivery.id,
      delivery.event,
      delivery.receivedAt,
      delivery.receivedAt,
      size,
      blob === null ? delivery.body : null,
      blob,
    );
    if (inserted.toArray().length === 0) return { outcome: "known" };
    pace.came(delivery.receivedAt, size);
    if (!this.#armed) {
      this.#armed = true;
      this.#alarm.by(delivery.receivedAt);
    }
    return { outcome: "stored" };
  }

  /** One turn: handles what waits, oldest first. @returns when to come back (Unix ms), null where nothing waits. */
  async drain(handle: Handle, now: () => number): Promise<number | null> {
    const turn = pace.turn(now());
    for (const row of this.#due(turn, now())) {
      await this.#one(row, handle, now());
      // Accepts that came in meanwhile are answered before the next one is parsed.
      await scheduler.wait(0);
    }
    const next = this.nextAt();
    this.#armed = next !== null;
    return next === null ? null : Math.max(next, now() + turn.pause);
  }

  async #one(row: Row, handle: Handle, now: number): Promise<void> {
    let text: string;
    try {
      text = await this.#body(row);
    } catch (error) {
      if (row.tries + 1 >= FETCH.tries) return this.#aside(row, error);
      this.#storage.sql.exec(
        "UPDATE inbox SET tries = tries + 1, at = ? WHERE id = ?",
        now + FETCH.pause * 2 ** row.tries,
        row.id,
      );
      return;
    }
    try {
      const apply = await handle({
        id: row.id,
        delivery: row.delivery,
        event: row.event,
        receivedAt: row.received_at,
        text,
      });
      this.#storage.transactionSync(() => {
        apply();
        this.#done(row);
      });
    } catch (error) {
      this.#aside(row, error);
    }
  }

  #done(row: Row): void {
    const { sql } = this.#storage;
    const [kept] = sql
      .exec<{ blob: string | null }>("SELECT blob FROM inbox WHERE id = ?", row.id)
      .toArray();
    sql.exec("UPDATE inbox SET state = 'done', body = NULL, blob = NULL WHERE id = ?", row.id);
    if (kept?.blob) this.#deleteBlob(kept.blob, row.received_at);
  }

  #deleteBlob(key: string, at: number): void {
    this.#storage.sql.exec(
      "INSERT INTO due (kind, target, at, payload) VALUES ('delete-blob', ?, ?, ?)",
      `blob:${key}`,
      at,
      JSON.stringify({ key }),
    );
  }

  /** A delivery that cannot be handled: the others go on, this one stays with its error. */
  #aside(row: Row, error: unknown): void {
    const { sql } = this.#storage;
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const cause = error instanceof Error ? error.name : "";
    console.warn(
      JSON.stringify({
        what: "delivery set aside",
        delivery: row.delivery,
        event: row.event,
        error: message.slice(0, 512),
      }),
    );
    this.#storage.transactionSync(() => {
      sql.exec(
        "UPDATE inbox SET state = 'aside', error = ?, cause = ? WHERE id = ?",
        message.slice(0, 4_096),
        cause,
        row.id,
      );
      const old =
        "state = 'aside' AND (body IS NOT NULL OR blob IS NOT NULL) AND id NOT IN (SELECT id FROM inbox WHERE state = 'aside' ORDER BY id DESC LIMIT ?)";
      for (const { blob } of sql
        .exec<{ blob: string }>(
          `SELECT blob FROM inbox WHERE blob IS NOT NULL AND ${old}`,
          MOST_ASIDE,
        )
        .toArray()) {
        this.#deleteBlob(blob, row.received_at);
      }
      sql.exec(`UPDATE inbox SET body = NULL, blob = NULL WHERE ${old}`, MOST_ASIDE);
      sql.exec(
        "DELETE FROM inbox WHERE state = 'aside' AND id <= (SELECT id FROM inbox WHERE state = 'aside' ORDER BY id DESC LIMIT 1 OFFSET ?)",
        MOST_LINES,
      );
    });
  }

  /** How many deliveries are set aside. */
  aside(): number {
    return this.#storage.sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM inbox WHERE state = 'aside'")
      .one().n;
  }

  /** Takes up again what was set aside for a cause that is gone. Inside the caller's transaction. */
  again(cause: string): void {
    this.#storage.sql.exec(
      "UPDATE inbox SET state = 'waiting', error = NULL, cause = NULL, at = received_at WHERE state = 'aside' AND cause = ? AND (body IS NOT NULL OR blob IS NOT NULL)",
      cause,
    );
  }

  /** When the next waiting delivery is due; null where none waits. */
  nextAt(): number | null {
    const [first] = this.#storage.sql
      .exec<{ at: number }>("SELECT at FROM inbox WHERE state = 'waiting' ORDER BY at, id LIMIT 1")
      .toArray();
    return first?.at ?? null;
  }

  /** Deliveries that GitHub cannot bring again are forgotten. */
  expire(now: number): void {
    const { sql } = this.#storage;
    for (const { blob, received_at: at } of sql
      .exec<{ blob: string; received_at: number }>(
        "SELECT blob, received_at FROM inbox WHERE state = 'aside' AND blob IS NOT NULL AND received_at < ?",
        now - REMEMBERED,
      )
      .toArray()) {
      this.#deleteBlob(blob, at);
    }
    sql.exec("DELETE FROM inbox WHERE state <> 'waiting' AND received_at < ?", now - REMEMBERED);
  }

  #due(turn: Turn, now: number): Row[] {
    const rows = this.#storage.sql
      .exec<Row>(
        "SELECT id, delivery, event, received_at, size, tries FROM inbox WHERE state = 'waiting' AND at <= ? ORDER BY at, id LIMIT ?",
        now,
        turn.rows,
      )
      .toArray();
    let bytes = 0;
    return rows.filter((row, index) => {
      bytes += row.size;
      return index === 0 || bytes <= turn.bytes;
    });
  }

  async #body(row: Row): Promise<string> {
    const [kept] = this.#storage.sql
      .exec<{ body: ArrayBuffer | null; blob: string | null }>(
        "SELECT body, blob FROM inbox WHERE id = ?",
        row.id,
      )
      .toArray();
    if (kept?.body) return new TextDecoder().decode(kept.body);
    const object = kept?.blob ? await this.#blobs.get(kept.blob) : null;
    if (object === null) throw new Error(`the body of delivery ${row.delivery} is gone`);
    return object.text();
  }

  #knows(delivery: string): boolean {
    return (
      this.#storage.sql.exec("SELECT 1 FROM inbox WHERE delivery = ?", delivery).toArray().length >
      0
    );
  }
}
