import {
  type Evidence,
  type Flake,
  type History,
  mayBeFlaky,
  noted,
  outcomeOf,
  proofOf,
} from "../../../core/flakiness/index.ts";
import type { Pool } from "../../../protocol/identifiers.ts";
import type { JudgedVerdict } from "../contracts.ts";

/** Derivations of a pool that failed and are remembered; flaky ones go last. At about 600 bytes a row this is 3 MB. */
const MOST = 5_000;
/** A derivation that was not built for so long is forgotten (ms), and its attribute counts as flaky for no longer. */
const LASTS = 30 * 24 * 3_600_000;
/** Of what one failing dependency kept from being built, so many are noted at a time: more tell nothing new. */
const OF_ONE_CAUSE = 20;

type Row = {
  drv: string;
  attribute: string;
  failed: string | null;
  passed: string | null;
  failures: number;
  passes: number;
};

/** Derivations that failed, and whether they passed as well: by pool, so that no stranger's builds speak for ours. */
export class Histories {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * Inside a transaction, before the verdicts themselves are remembered: a success that is known is about to be
   * replaced. @returns what a run should say about them
   */
  note(pool: Pool, judged: readonly JudgedVerdict[], now: number): Flake[] {
    const asked = JSON.stringify(judged.map(({ drv }) => drv));
    const known = this.#known(pool, asked);
    const passed = judged.some(({ verdict }) => mayBeFlaky(verdict))
      ? this.#passed(pool, asked)
      : new Map<string, Evidence>();
    const causes = new Map<string, number>();
    for (const { drv, verdict, seconds, run, at, log, attribute } of judged) {
      const outcome = outcomeOf(verdict, seconds);
      if (outcome === null) continue;
      if (verdict.kind === "dependency-failed") {
        const many = causes.get(verdict.cause) ?? 0;
        if (many === OF_ONE_CAUSE) continue;
        causes.set(verdict.cause, many + 1);
      }
      const before = known.get(drv) ?? null;
      const after = noted(before, passed.get(drv) ?? null, outcome, { run, at, log }, attribute);
      if (after === null || after === before) continue;
      known.set(drv, after);
      this.#save(pool, drv, after, now);
    }
    const times = new Map<string, number>();
    return judged.flatMap(({ drv, verdict, attribute }) => {
      const history = known.get(drv);
      const proof = history === undefined ? null : proofOf(history);
      if (proof === null && !mayBeFlaky(verdict)) return [];
      const count = times.get(attribute) ?? this.#times(pool, attribute, now);
      times.set(attribute, count);
      return proof === null && count === 0 ? [] : [{ drv, proof, attribute, times: count }];
    });
  }

  /** Of these derivations, those that are flaky. `asked` is a JSON list. */
  flakes(pool: Pool, asked: string, now: number): Map<string, Flake> {
    return new Map(
      [...this.#known(pool, asked)].flatMap(([drv, history]) => {
        const proof = proofOf(history);
        if (proof === null) return [];
        const { attribute } = history;
        return [[drv, { drv, proof, attribute, times: this.#times(pool, attribute, now) }]];
      }),
    );
  }

  forgetAll(): void {
    this.#sql.exec("DELETE FROM history");
  }

  prune(now: number, most = MOST): void {
    this.#sql.exec("DELETE FROM history WHERE at < ?", now - LASTS);
    const pools = this.#sql
      .exec<{ pool: string }>("SELECT pool FROM history GROUP BY pool HAVING count(*) > ?", most)
      .toArray();
    for (const { pool } of pools) {
      this.#sql.exec(
        `DELETE FROM history WHERE pool = ?1 AND drv NOT IN (SELECT drv FROM history WHERE pool = ?1
           ORDER BY failed IS NOT NULL AND passed IS NOT NULL DESC, at DESC LIMIT ?2)`,
        pool,
        most,
      );
    }
  }

  #known(pool: Pool, asked: string): Map<string, History> {
    const rows = this.#sql
      .exec<Row>(
        "SELECT drv, attribute, failed, passed, failures, passes FROM history WHERE pool = ? AND drv IN (SELECT value FROM json_each(?))",
        pool,
        asked,
      )
      .toArray();
    return new Map(
      rows.map(({ drv, failed, passed, ...row }) => [
        drv,
        { ...row, failed: evidence(failed), passed: evidence(passed) },
      ]),
    );
  }

  /** How those that are known to have been built came out: from the memory of successes. */
  #passed(pool: Pool, asked: string): Map<string, Evidence> {
    const rows = this.#sql
      .exec<{ drv: string; run: string; at: number; log: string | null }>(
        "SELECT drv, run, at, log FROM verdict WHERE pool = ? AND failed = 0 AND seconds > 0 AND drv IN (SELECT value FROM json_each(?))",
        pool,
        asked,
      )
      .toArray();
    return new Map(
      rows.map(({ drv, run, at, log }) => [
        drv,
        { run, at, log: log === null ? null : (JSON.parse(log) as Evidence["log"]) },
      ]),
    );
  }

  #times(pool: Pool, attribute: string, now: number): number {
    return this.#sql
      .exec<{ times: number }>(
        "SELECT count(*) AS times FROM history WHERE pool = ? AND attribute = ? AND failed IS NOT NULL AND passed IS NOT NULL AND at >= ?",
        pool,
        attribute,
        now - LASTS,
      )
      .one().times;
  }

  #save(
    pool: Pool,
    drv: string,
    { attribute, failed, passed, failures, passes }: History,
    now: number,
  ): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO history (pool, drv, attribute, failed, passed, failures, passes, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      pool,
      drv,
      attribute,
      failed && JSON.stringify(failed),
      passed && JSON.stringify(passed),
      failures,
      passes,
      now,
    );
  }
}

/** Written by `#save`, of this release or an earlier one. */
function evidence(text: string | null): Evidence | null {
  return text === null ? null : (JSON.parse(text) as Evidence);
}
