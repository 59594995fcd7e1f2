import type { JobEffect } from "../../../core/fleet/index.ts";
import { backoff } from "../../../core/fleet/index.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import type { RunContract } from "../contracts.ts";
import { sha256Hex } from "./secrets.ts";

type Row = {
  id: number;
  kind: string;
  job: string;
  attempt: number;
  runner: string | null;
  verdict: string | null;
  digest: string | null;
  tries: number;
};

/** New rows are told at once; the alarm looks after those that a crash left (ms). It spares an alarm for each row. */
const LEFT_BEHIND = 2_000;

/** What Runs are still to be told, in order for each job; a row goes when the Run has answered. */
export class Outbox {
  readonly #sql: SqlStorage;
  readonly #run: (job: string) => RunContract;
  readonly #busy = new Set<string>();

  constructor(sql: SqlStorage, run: (job: string) => RunContract) {
    this.#sql = sql;
    this.#run = run;
  }

  /** In the transaction of the change that it tells of. */
  add(
    job: string,
    effect: Extract<JobEffect, { kind: "forward" | "tell-started" | "tell-adrift" }>,
    now: number,
  ): void {
    const insert =
      "INSERT INTO outbox (kind, job, attempt, runner, verdict, digest, due) VALUES (?, ?, ?, ?, ?, ?, ?)";
    if (effect.kind !== "forward") {
      this.#sql.exec(
        insert,
        effect.kind === "tell-started" ? "started" : "adrift",
        job,
        effect.attempt,
        effect.kind === "tell-started" ? effect.runner : null,
        null,
        null,
        now + LEFT_BEHIND,
      );
      return;
    }
    const verdict = JSON.stringify(effect.verdict);
    this.#sql.exec(
      insert,
      "finished",
      job,
      effect.attempt,
      null,
      verdict,
      effect.digest ?? sha256Hex(verdict),
      now + LEFT_BEHIND,
    );
  }

  due(): number | null {
    const [row] = this.#sql
      .exec<{ due: number | null }>("SELECT min(due) AS due FROM outbox")
      .toArray();
    return row?.due ?? null;
  }

  /** Tells what is new or due; what fails is told later. Rows of one job keep their order, and one is told at a time. */
  async deliver(now: number): Promise<void> {
    const jobs = this.#sql
      .exec<{ job: string }>(
        "SELECT job FROM outbox GROUP BY job HAVING max(tries) = 0 OR min(due) <= ? LIMIT 200",
        now,
      )
      .toArray();
    await Promise.all(
      jobs.filter(({ job }) => !this.#busy.has(job)).map(({ job }) => this.#deliver(job, now)),
    );
  }

  async #deliver(job: string, now: number): Promise<void> {
    this.#busy.add(job);
    try {
      for (;;) {
        // What is added meanwhile is told as well.
        const [row] = this.#sql
          .exec<Row>(
            "SELECT id, kind, job, attempt, runner, verdict, digest, tries FROM outbox WHERE job = ? ORDER BY id LIMIT 1",
            job,
          )
          .toArray();
        if (row === undefined || !(await this.#tell(row, now))) return;
      }
    } finally {
      this.#busy.delete(job);
    }
  }

  async #tell(row: Row, now: number): Promise<boolean> {
    try {
      const run = this.#run(row.job);
      if (row.kind === "started") await run.started(row.job, row.attempt, row.runner ?? "");
      else if (row.kind === "adrift") await run.adrift(row.job, row.attempt);
      else {
        // Written by `add` from a Verdict.
        const verdict = JSON.parse(row.verdict ?? "null") as Verdict;
        const { applied } = await run.finished(row.job, row.attempt, verdict, row.digest ?? "");
        if (applied === "refused")
          console.warn(`run refused the verdict of ${row.job} attempt ${row.attempt}`);
      }
      this.#sql.exec("DELETE FROM outbox WHERE id = ?", row.id);
      return true;
    } catch (error) {
      const tries = row.tries + 1;
      console.error(
        `telling the run about ${row.job} (${row.kind}) failed, try ${tries}: ${String(error)}`,
      );
      this.#sql.exec(
        "UPDATE outbox SET tries = ?, due = ? WHERE id = ?",
        tries,
        now + backoff(tries),
        row.id,
      );
      // Later rows of the job must not overtake it.
      this.#sql.exec(
        "UPDATE outbox SET due = max(due, ?) WHERE job = ? AND id > ?",
        now + backoff(tries),
        row.job,
        row.id,
      );
      return false;
    }
  }
}
