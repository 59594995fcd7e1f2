import type { ClockRow } from "../../../core/repo/clock.ts";
import type { BuiltSystem } from "../contracts.ts";

/** Systems of machines that are not named any more are forgotten when there are more (rows). */
const MOST_SYSTEMS = 1_000;

/** What the repository does again and again, what its machines should run, and what its issues say. */
export class Clock {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  rows(): ClockRow[] {
    return this.#sql
      .exec<{ name: string; schedule: string; due_at: number | null; last: string | null }>(
        "SELECT * FROM clock ORDER BY name",
      )
      .toArray()
      .map(({ due_at: dueAt, ...row }) => ({ ...row, dueAt }));
  }

  /** Inside the caller's transaction. */
  save(rows: readonly ClockRow[], gone: readonly string[]): void {
    for (const name of gone) this.#sql.exec("DELETE FROM clock WHERE name = ?", name);
    for (const { name, schedule, dueAt, last } of rows)
      this.#sql.exec(
        "INSERT OR REPLACE INTO clock (name, schedule, due_at, last) VALUES (?, ?, ?, ?)",
        name,
        schedule,
        dueAt,
        last,
      );
  }

  /** Systems of machines on the default branch, as it was built last. */
  wanted(): Map<string, { system: string; sha: string }> {
    return new Map(
      this.#sql
        .exec<{ machine: string; system: string; sha: string }>(
          "SELECT machine, system, sha FROM wanted",
        )
        .toArray()
        .map(({ machine, ...wanted }) => [machine, wanted]),
    );
  }

  /** Inside the caller's transaction. */
  want(sha: string, systems: readonly BuiltSystem[], now: number): void {
    for (const { machine, system } of systems)
      this.#sql.exec(
        "INSERT OR REPLACE INTO wanted (machine, system, sha, at) VALUES (?, ?, ?, ?)",
        machine,
        system,
        sha,
        now,
      );
    this.#sql.exec(
      "DELETE FROM wanted WHERE at < (SELECT at FROM wanted ORDER BY at DESC LIMIT 1 OFFSET ?)",
      MOST_SYSTEMS,
    );
  }

  /** What an issue says, as it was told last; null where there never was one, empty where nobody knows. */
  issue(name: string): { version: number; said: string } | null {
    return (
      this.#sql
        .exec<{ version: number; said: string }>(
          "SELECT version, said FROM issue WHERE name = ?",
          name,
        )
        .toArray()[0] ?? null
    );
  }

  say(name: string, version: number, said: string): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO issue (name, version, said) VALUES (?, ?, ?)",
      name,
      version,
      said,
    );
  }
}
