import type { Pool } from "../../../protocol/identifiers.ts";
import { FAILURE_TTL, reusable } from "../../../core/verdict/index.ts";
import type { Provenance } from "../../../protocol/provenance.ts";
import type { Flake, LogPlace } from "../../../core/flakiness/index.ts";
import type {
  JudgedVerdict,
  RecalledVerdict,
  RememberedEvaluation,
  RememberedTree,
  RememberedVerdict,
} from "../contracts.ts";
import { Histories } from "./histories.ts";

/** How many are kept; the least recently used go first. At about 300 bytes a row this is 30 MB. */
const MOST: Bounds = { verdicts: 100_000, trees: 10_000, evaluations: 500 };
type Bounds = { verdicts: number; trees: number; evaluations: number };
/** An evaluation that no pull request was compared with for so long is forgotten (ms). */
const EVALUATIONS_LAST = 30 * 24 * 3_600_000;
/** A use is noted once a day (ms): it would be a written row for each read one otherwise. */
const NOTED = 24 * 3_600_000;
/** A remembered failure keeps this much of its log (characters); the whole log is where it was built. */
const LOG_TAIL = 2_048;
/** Derivations in one call. */
const MOST_ASKED = 1_000;

/** A success that was found, after one that was built and signed: the build stays, with its log. */
const FOUND =
  "excluded.failed = 0 AND verdict.failed = 0 AND excluded.seconds = 0 AND verdict.provenance IS NOT NULL";

/** What was judged before: verdicts by pool and derivation, whole trees by their key. */
export class Memory {
  readonly #sql: SqlStorage;
  readonly #histories: Histories;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#histories = new Histories(sql);
  }

  /** Leaves out failures of what has passed as well: they would say nothing about the next try. */
  recall(pool: Pool, drvs: string[], now: number): RecalledVerdict[] {
    const asked = JSON.stringify(drvs.slice(0, MOST_ASKED));
    const found = this.#sql
      .exec<{
        drv: string;
        verdict: string;
        run: string;
        at: number;
        seconds: number;
        provenance: string | null;
        log: string | null;
        used_at: number;
      }>(
        `SELECT drv, verdict, run, at, seconds, provenance, log, used_at FROM verdict WHERE pool = ? AND drv IN (SELECT value FROM json_each(?))`,
        pool,
        asked,
      )
      .toArray()
      // Written below, by this release or an earlier one.
      .map(({ verdict, provenance, log, ...row }) => ({
        ...row,
        log: log === null ? null : (JSON.parse(log) as LogPlace),
        verdict: JSON.parse(verdict) as RememberedVerdict["verdict"],
        provenance: provenance === null ? null : (JSON.parse(provenance) as Provenance),
      }))
      .filter(({ verdict, at }) => now - at < (reusable(verdict)?.milliseconds ?? 0));
    const used = found.filter(({ used_at: at }) => now - at > NOTED).map(({ drv }) => drv);
    if (used.length > 0) {
      this.#sql.exec(
        "UPDATE verdict SET used_at = ? WHERE pool = ? AND drv IN (SELECT value FROM json_each(?))",
        now,
        pool,
        JSON.stringify(used),
      );
    }
    const flakes = this.#histories.flakes(pool, asked, now);
    return found
      .map(({ drv, verdict, run, at, seconds, provenance, log }) => ({
        drv,
        verdict,
        run,
        at,
        seconds,
        provenance,
        log,
        flake: flakes.get(drv) ?? null,
      }))
      .filter(({ verdict, flake }) => verdict.kind === "succeeded" || flake === null);
  }

  /**
   * Keeps what the builder itself came to: outputs, or its own failure. Everything else says nothing about the
   * derivation. @returns what is flaky, see `Histories`
   */
  remember(pool: Pool, verdicts: JudgedVerdict[], now: number): Flake[] {
    const flakes = this.#histories.note(pool, verdicts, now);
    for (const { drv, verdict, run, at, seconds, provenance, log } of verdicts) {
      if (reusable(verdict) === null) continue;
      const kept =
        verdict.kind === "failed"
          ? { ...verdict, logTail: verdict.logTail.slice(-LOG_TAIL) }
          : verdict;
      this.#sql.exec(
        `INSERT INTO verdict (pool, drv, verdict, run, at, seconds, failed, provenance, log, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (pool, drv) DO UPDATE SET verdict = excluded.verdict, run = excluded.run, at = excluded.at, seconds = excluded.seconds, failed = excluded.failed,
            provenance = excluded.provenance, log = excluded.log, used_at = excluded.used_at
          WHERE excluded.at >= verdict.at AND NOT (${FOUND})`,
        pool,
        drv,
        JSON.stringify(kept),
        run,
        at,
        seconds,
        verdict.kind === "succeeded" ? 0 : 1,
        provenance === null ? null : JSON.stringify(provenance),
        log === null ? null : JSON.stringify(log),
        now,
      );
    }
    return flakes;
  }

  recallTree(key: string, now: number): RememberedTree | null {
    const [found] = this.#sql
      .exec<{ key: string; run: string; at: number; used_at: number }>(
        "SELECT * FROM tree WHERE key = ?",
        key,
      )
      .toArray();
    if (found === undefined) return null;
    if (now - found.used_at > NOTED)
      this.#sql.exec("UPDATE tree SET used_at = ? WHERE key = ?", now, key);
    return { key: found.key, run: found.run, at: found.at };
  }

  rememberTree({ key, run, at }: RememberedTree, now: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO tree (key, run, at, used_at) VALUES (?, ?, ?, ?)",
      key,
      run,
      at,
      now,
    );
  }

  /** The evaluation of a commit: one of the same pool, or of a more trusted one. */
  recallEvaluation(sha: string, pool: Pool, now: number): { blob: string } | null {
    const [found] = this.#sql
      .exec<{ blob: string; pool: Pool; used_at: number }>(
        "SELECT blob, pool, used_at FROM evaluation WHERE sha = ?",
        sha,
      )
      .toArray();
    if (found === undefined || now - found.used_at > EVALUATIONS_LAST) return null;
    if (found.pool !== pool && found.pool !== "trusted") return null;
    if (now - found.used_at > NOTED)
      this.#sql.exec("UPDATE evaluation SET used_at = ? WHERE sha = ?", now, sha);
    return { blob: found.blob };
  }

  /** @returns blobs that nothing names any more. A less trusted evaluation does not take a trusted one's place. */
  rememberEvaluation({ sha, pool, blob }: RememberedEvaluation, now: number): string[] {
    const [known] = this.#sql
      .exec<{ blob: string; pool: Pool }>("SELECT blob, pool FROM evaluation WHERE sha = ?", sha)
      .toArray();
    if (known?.blob === blob) return [];
    if (known?.pool === "trusted" && pool !== "trusted") return [blob];
    this.#sql.exec(
      "INSERT OR REPLACE INTO evaluation (sha, pool, blob, used_at) VALUES (?, ?, ?, ?)",
      sha,
      pool,
      blob,
      now,
    );
    return known === undefined ? [] : [known.blob];
  }

  forgetAll(): string[] {
    this.#sql.exec("DELETE FROM verdict");
    this.#sql.exec("DELETE FROM tree");
    this.#histories.forgetAll();
    return this.#sql
      .exec<{ blob: string }>("DELETE FROM evaluation RETURNING blob")
      .toArray()
      .map(({ blob }) => blob);
  }

  /** Failures past their time, then the least recently used above the bounds. @returns blobs that nothing names any more. */
  prune(now: number, most: Bounds = MOST): string[] {
    this.#sql.exec("DELETE FROM verdict WHERE failed = 1 AND at < ?", now - FAILURE_TTL);
    this.#histories.prune(now);
    this.#trim("verdict", most.verdicts);
    this.#trim("tree", most.trees);
    return this.#sql
      .exec<{ blob: string }>(
        "DELETE FROM evaluation WHERE used_at < ? OR sha IN (SELECT sha FROM evaluation ORDER BY used_at DESC LIMIT -1 OFFSET ?) RETURNING blob",
        now - EVALUATIONS_LAST,
        most.evaluations,
      )
      .toArray()
      .map(({ blob }) => blob);
  }

  #trim(table: "verdict" | "tree", most: number): void {
    const [last] = this.#sql
      .exec<{ used_at: number }>(
        `SELECT used_at FROM ${table} ORDER BY used_at DESC LIMIT 1 OFFSET ?`,
        most,
      )
      .toArray();
    if (last !== undefined) this.#sql.exec(`DELETE FROM ${table} WHERE used_at <= ?`, last.used_at);
  }
}
