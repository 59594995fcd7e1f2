import type { RefusalRow, Refused } from "../contracts.ts";

/** Lines that are kept at most, and for so long (ms). */
const MOST_LINES = 20_000;
const KEPT = 90 * 24 * 3_600_000;
const REASON = 1_024;

/** The account's log of what runners and control plane refused each other. What is refused again counts in its line. */
export class Audit {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  note({ by, runner, job, attempt, what, reason, digest }: Refused, now: number): void {
    this.#sql.exec(
      `INSERT INTO refusal (at, "last", "by", runner, job, attempt, what, reason, digest) VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT ("by", runner, job, attempt, what, reason, digest) DO UPDATE SET times = times + 1, "last" = excluded."last"`,
      now,
      by,
      runner,
      job ?? "",
      attempt ?? 0,
      what,
      reason.slice(0, REASON),
      digest ?? "",
    );
  }

  /** Newest first, those before `before`. */
  list(before: number | null, limit: number): RefusalRow[] {
    return this.#sql
      .exec<Stored>(
        "SELECT * FROM refusal WHERE id < ? ORDER BY id DESC LIMIT ?",
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray()
      .map(({ job, attempt, digest, ...row }) => ({
        ...row,
        job: job === "" ? null : job,
        attempt: attempt === 0 ? null : attempt,
        digest: digest === "" ? null : digest,
      }));
  }

  prune(now: number): void {
    this.#sql.exec('DELETE FROM refusal WHERE "last" < ?', now - KEPT);
    this.#sql.exec("DELETE FROM refusal WHERE id <= (SELECT MAX(id) FROM refusal) - ?", MOST_LINES);
  }
}

type Stored = Omit<RefusalRow, "job" | "attempt" | "digest"> & {
  job: string;
  attempt: number;
  digest: string;
};
