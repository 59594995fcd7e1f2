import {
  type Gate,
  openGate,
  recover,
  type Row,
  silenced,
  takeOver,
  wish,
} from "../../../core/writer/index.ts";
import type { RunId } from "../../../protocol/identifiers.ts";
import type { DesiredCheck, DesiredWord } from "../contracts.ts";
import { type Checks, isUndone, undone } from "./again.ts";
import { type Desired, wishFor, wishForCheck } from "./wish.ts";

/** How long a check that is as it should be is remembered, for late repetitions of its wishes (ms). */
const KEPT = 7 * 24 * 60 * 60_000;
/** Rows one plan looks at: more than can be sent before the next. */
const PLANNED = 500;

const OPEN =
  "(state IN ('sending', 'unknown') OR (state = 'idle' AND (shown < version OR annotated < annotations)))";

type Stored = {
  resource: string;
  kind: string;
  run: string;
  place: string;
  last: number;
  yields: number;
  succeeds: string;
  wished_at: number;
  aggregate: number;
  version: number;
  terminal: number;
  annotations: number;
  shown_id: number | null;
  shown: number;
  annotated: number;
  state: string;
  lookups: number;
  failures: number;
  due_at: number;
};

/** Without the body, which is up to 130 KB, and which planning does not need. */
const COLUMNS =
  "resource, kind, run, place, last, yields, succeeds, wished_at, aggregate, version, terminal, annotations, shown_id, shown, annotated, state, lookups, failures, due_at";

/** What GitHub should show of an installation and what it does, and what may still be sent. */
export class Effects {
  readonly #sql: SqlStorage;

  readonly #checks: Checks = {
    // Every check's resource begins with its run: the rows lie side by side.
    ofRun: (run) =>
      this.#rows(
        "kind = 'check' AND resource >= ? AND resource < ?",
        `check:${run}:`,
        `check:${run};`,
      ),
    at: (place) => this.#rows("kind = 'check' AND place = ?", place),
    check: (resource) => this.body(resource) as DesiredCheck,
  };

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(resource: string): Row | null {
    const [row] = this.#sql
      .exec<Stored>(`SELECT ${COLUMNS} FROM effect WHERE resource = ?`, resource)
      .toArray();
    return row ? rowOf(row) : null;
  }

  body(resource: string): Desired {
    const [row] = this.#sql
      .exec<{ body: string }>("SELECT body FROM effect WHERE resource = ?", resource)
      .toArray();
    if (!row) throw new Error(`no body for ${resource}`);
    // Written below, by this release or an earlier one.
    return JSON.parse(row.body) as Desired;
  }

  /** Aggregates and what is completed come first, so that a long queue does not hide them from the plan. */
  open(): Row[] {
    return this.#sql
      .exec<Stored>(
        `SELECT ${COLUMNS} FROM effect WHERE ${OPEN} ORDER BY state = 'sending' DESC, aggregate DESC, terminal DESC, due_at LIMIT ?`,
        PLANNED,
      )
      .toArray()
      .map(rowOf);
  }

  desireCheck(check: DesiredCheck, now: number): boolean {
    const known = this.get(check.resource);
    const wished = wish(known, wishForCheck(check), now);
    if (wished === null) return false;
    if (this.#gaveWay(wished) && silenced(known, check.conclusion)) return false;
    if (isUndone(this.#checks, check)) return false;
    this.#put(known === null ? this.#inherit(wished) : wished, check, now);
    for (const { older, check: again } of undone(this.#checks, check)) {
      const row = again === null ? null : wish(older, wishForCheck(again), now);
      if (row !== null && again !== null) this.#put(row, again, now);
      else this.save({ ...older, state: "retired" }, `judged again by ${check.run}`);
    }
    return true;
  }

  /** What is no check: nobody takes it over. */
  desire(what: DesiredWord, now: number): boolean {
    const wished = wish(this.get(what.resource), wishFor(what), now);
    if (wished === null) return false;
    this.#put(wished, what, now);
    return true;
  }

  #put(row: Row, body: Desired, now: number): void {
    this.#sql.exec(
      `INSERT INTO effect (resource, kind, run, place, last, yields, succeeds, wished_at, aggregate, version, terminal, annotations, shown_id, shown, annotated, state, lookups, failures, due_at, body, changed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (resource) DO UPDATE SET yields = excluded.yields, wished_at = excluded.wished_at, version = excluded.version, terminal = excluded.terminal, annotations = excluded.annotations,
         state = excluded.state, failures = excluded.failures, due_at = excluded.due_at, body = excluded.body, changed_at = excluded.changed_at`,
      row.resource,
      row.kind,
      row.run ?? "",
      row.place,
      row.last ? 1 : 0,
      row.yields ? 1 : 0,
      JSON.stringify(row.succeeds),
      row.wishedAt,
      row.aggregate ? 1 : 0,
      row.version,
      row.terminal ? 1 : 0,
      row.annotations,
      row.shownId,
      row.shown,
      row.annotated,
      row.state,
      row.lookups,
      row.failures,
      row.dueAt,
      JSON.stringify(body),
      now,
    );
  }

  /** Whether another run of the commit took this one's place, and has said something under the same name. */
  #gaveWay({ place, run }: Row): boolean {
    return (
      run !== null &&
      this.#sql
        .exec(
          "SELECT 1 FROM effect, json_each(effect.succeeds) AS older WHERE effect.place = ? AND older.value = ? LIMIT 1",
          place,
          run,
        )
        .toArray().length > 0
    );
  }

  /** What an older run left open may be known only now, after its request came back. */
  inheritLate(): void {
    for (const row of this.open()) {
      if (row.kind !== "check" || row.state !== "idle" || row.shownId !== null) continue;
      const heir = this.#inherit(row);
      if (heir !== row) this.save(heir, null);
    }
  }

  /** The check run that a run of the same commit left open when it gave way to this one. */
  #inherit(heir: Row): Row {
    if (heir.succeeds.length === 0) return heir;
    const older = this.#rows(
      "place = ? AND state <> 'retired' AND run IN (SELECT value FROM json_each(?)) ORDER BY changed_at DESC",
      heir.place,
      JSON.stringify(heir.succeeds),
    );
    for (const row of older) {
      const taken = takeOver(heir, row);
      if (taken === null) continue;
      this.save(taken.older, `taken over by ${heir.run}`);
      return taken.heir;
    }
    return heir;
  }

  #rows(where: string, ...values: SqlStorageValue[]): Row[] {
    return this.#sql
      .exec<Stored>(`SELECT ${COLUMNS} FROM effect WHERE ${where}`, ...values)
      .toArray()
      .map(rowOf);
  }

  /** Writes what GitHub shows and what is on its way; the wish is not touched. */
  save(row: Row, problem: string | null): void {
    this.#sql.exec(
      "UPDATE effect SET shown_id = ?, shown = ?, annotated = ?, state = ?, lookups = ?, failures = ?, due_at = ?, problem = ? WHERE resource = ?",
      row.shownId,
      row.shown,
      row.annotated,
      row.state,
      row.lookups,
      row.failures,
      row.dueAt,
      problem,
      row.resource,
    );
  }

  /** Requests that were on their way when the object died. */
  recover(now: number): void {
    const rows = this.#sql
      .exec<Stored>(`SELECT ${COLUMNS} FROM effect WHERE state = 'sending'`)
      .toArray();
    for (const row of rows)
      this.save(
        recover(rowOf(row), now),
        "the object was restarted while the request was on its way",
      );
  }

  gate(now: number): Gate {
    const [row] = this.#sql
      .exec<{
        paused_until: number;
        remaining: number | null;
        reset_at: number;
        tokens: number;
        filled_at: number;
      }>("SELECT * FROM gate")
      .toArray();
    if (!row) return openGate(now);
    return {
      pausedUntil: row.paused_until,
      remaining: row.remaining,
      resetAt: row.reset_at,
      tokens: row.tokens,
      filledAt: row.filled_at,
    };
  }

  saveGate(gate: Gate): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO gate (one, paused_until, remaining, reset_at, tokens, filled_at) VALUES (1, ?, ?, ?, ?, ?)",
      gate.pausedUntil,
      gate.remaining,
      gate.resetAt,
      gate.tokens,
      gate.filledAt,
    );
  }

  /** Runs of which a check that is shown was not completed when it was last asked for, before `before`. */
  turning(before: number, limit: number, turn: number): RunId[] {
    const where = "kind = 'check' AND terminal = 0 AND shown_id IS NOT NULL AND changed_at < ?";
    const { n } = this.#sql
      .exec<{ n: number }>(`SELECT count(DISTINCT run) AS n FROM effect WHERE ${where}`, before)
      .one();
    const pages = Math.max(1, Math.ceil(n / limit));
    return this.#sql
      .exec<{ run: RunId }>(
        `SELECT DISTINCT run FROM effect WHERE ${where} ORDER BY run LIMIT ? OFFSET ?`,
        before,
        limit,
        (turn % pages) * limit,
      )
      .toArray()
      .map(({ run }) => run);
  }

  /** The run's checks that are not completed, as they are wished for. */
  turningOf(run: RunId): DesiredCheck[] {
    return this.#sql
      .exec<{ body: string }>(
        "SELECT body FROM effect WHERE kind = 'check' AND terminal = 0 AND run = ?",
        run,
      )
      .toArray()
      .map(({ body }) => JSON.parse(body) as DesiredCheck);
  }

  /** What GitHub refused is tried again. */
  unpark(now: number): void {
    this.#sql.exec(
      "UPDATE effect SET state = 'idle', failures = 0, due_at = ? WHERE state = 'parked'",
      now,
    );
  }

  forget(now: number): void {
    this.#sql.exec(
      `DELETE FROM effect WHERE changed_at < ? AND kind <> 'issue' AND NOT ${OPEN}`,
      now - KEPT,
    );
  }

  token(): { token: string; expiresAt: number } | null {
    const [row] = this.#sql
      .exec<{ token: string; expires_at: number }>("SELECT token, expires_at FROM token")
      .toArray();
    return row ? { token: row.token, expiresAt: row.expires_at } : null;
  }

  saveToken(token: { token: string; expiresAt: number } | null): void {
    if (token === null) this.#sql.exec("DELETE FROM token");
    else
      this.#sql.exec(
        "INSERT OR REPLACE INTO token (one, token, expires_at) VALUES (1, ?, ?)",
        token.token,
        token.expiresAt,
      );
  }
}

function rowOf(row: Stored): Row {
  return {
    resource: row.resource,
    kind: row.kind as Row["kind"],
    run: row.run === "" ? null : (row.run as RunId),
    place: row.place,
    last: row.last === 1,
    yields: row.yields === 1,
    succeeds: JSON.parse(row.succeeds) as Row["succeeds"],
    wishedAt: row.wished_at,
    aggregate: row.aggregate === 1,
    version: row.version,
    terminal: row.terminal === 1,
    annotations: row.annotations,
    shownId: row.shown_id,
    shown: row.shown,
    annotated: row.annotated,
    state: row.state as Row["state"],
    lookups: row.lookups,
    failures: row.failures,
    dueAt: row.due_at,
  };
}
