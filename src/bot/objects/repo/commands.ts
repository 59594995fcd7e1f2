import type { AuditEntry, Change, CommandRow, Want } from "../../../core/repo/rows.ts";
import type { Sender } from "../../../core/repo/request.ts";
import type { AuditRow } from "../contracts.ts";
import { commandOf, type CommandRecord } from "./records.ts";

/** Commands and their audit log are kept for so long (ms); GitHub can bring a comment again for three days. */
const KEPT = 90 * 24 * 3_600_000;
/** Lines of the audit log that are kept at most: about 20 MB. */
const MOST_LINES = 50_000;
/** Commands of one comment or pull request that are looked at. */
const MOST = 100;
/** Characters of a reason in the audit log. */
const REASON = 2_000;

/** What people asked for, what became of it, and who decided what. */
export class Commands {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  wanted(want: Want["commands"]): CommandRow[] {
    if (want?.comment !== undefined)
      return this.#rows("comment = ? ORDER BY id LIMIT ?", want.comment, MOST);
    // A button that somebody pressed who may not has a second key; see `pressed`.
    if (want?.key !== undefined)
      return this.#rows(
        "key = ?1 OR (key > ?1 || ':' AND key < ?1 || ';') ORDER BY id LIMIT ?2",
        want.key,
        MOST,
      );
    return [];
  }

  one(key: string): CommandRow | null {
    return this.#rows("key = ?", key)[0] ?? null;
  }

  /** The newest of a pull request, oldest first. */
  ofPull(pull: number): CommandRow[] {
    return this.#rows("pull = ? ORDER BY id DESC LIMIT ?", pull, MOST).toReversed();
  }

  lately(want: NonNullable<Want["commands"]>["lately"]): number {
    if (want === undefined) return 0;
    return this.#sql
      .exec<{ n: number }>(
        "SELECT count(*) AS n FROM command WHERE at >= ? AND json_extract(who, '$.id') = ?",
        want.since,
        want.by,
      )
      .one().n;
  }

  approvals(pull: number | undefined): { by: Sender; sha: string }[] {
    if (pull === undefined) return [];
    return this.#sql
      .exec<{ sha: string; account: number; login: string }>(
        "SELECT sha, account, login FROM approval WHERE pull = ? ORDER BY at LIMIT ?",
        pull,
        MOST,
      )
      .toArray()
      .map(({ sha, account, login }) => ({ sha, by: { id: account, login, type: "User" } }));
  }

  put(row: CommandRow): void {
    this.#sql.exec(
      `INSERT INTO command (key, pull, comment, line, via, who, text, command, at, sha, state, acts_on, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET state = excluded.state, acts_on = excluded.acts_on, outcome = excluded.outcome`,
      row.key,
      row.pull,
      row.comment,
      row.line,
      row.via,
      JSON.stringify(row.by),
      row.text,
      row.command === null ? null : JSON.stringify(row.command),
      row.at,
      row.sha,
      row.state,
      row.actsOn,
      row.outcome === null ? null : JSON.stringify(row.outcome),
    );
  }

  note({ key, pull, by, via, command, sha, decision, reason }: AuditEntry, at: number): void {
    this.#sql.exec(
      "INSERT INTO audit (at, key, pull, login, account, via, command, sha, decision, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      at,
      key,
      pull,
      by.login,
      by.id,
      via,
      command,
      sha,
      decision,
      reason.slice(0, REASON),
    );
  }

  approve({ pull, sha, by, at }: Extract<Change, { kind: "approval" }>): void {
    this.#sql.exec(
      "INSERT INTO approval (pull, sha, account, login, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      pull,
      sha,
      by.id,
      by.login,
      at,
    );
  }

  /** Newest first, those before `before`. */
  audit(before: number | null, limit: number): AuditRow[] {
    return this.#sql
      .exec<Omit<AuditRow, "by"> & { login: string; account: number }>(
        "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray()
      .map(({ login, account, ...row }) => ({ ...row, by: { login, id: account } }));
  }

  prune(now: number): void {
    this.#sql.exec("DELETE FROM command WHERE at < ?", now - KEPT);
    this.#sql.exec("DELETE FROM audit WHERE at < ?", now - KEPT);
    this.#sql.exec("DELETE FROM audit WHERE id <= (SELECT MAX(id) FROM audit) - ?", MOST_LINES);
    this.#sql.exec("DELETE FROM approval WHERE at < ?", now - KEPT);
  }

  #rows(where: string, ...values: SqlStorageValue[]): CommandRow[] {
    return this.#sql
      .exec<CommandRecord>(`SELECT * FROM command WHERE ${where}`, ...values)
      .toArray()
      .map(commandOf);
  }
}
