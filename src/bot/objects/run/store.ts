import {
  attributeKey,
  type AttributeRow,
  type Changes,
  type Count,
  type DerivationRow,
  type JobRow,
  newRun,
  type RunRow,
  type Slice,
} from "../../../core/run/index.ts";
import type { Difference } from "../../../core/impact/index.ts";
import { type Finding, MAX_FINDINGS } from "../../../protocol/data.ts";
import type { RunRequest } from "../contracts.ts";
import {
  attributeOf,
  derivationOf,
  type Header,
  headerOf,
  jobOf,
  runOf,
  type Stored,
} from "./rows.ts";

/** Values in one statement; SQLite in an object binds at most 100. */
const BIND = 90;

/** The Run's tables. Loads the slices that core wants and writes the rows it changes. */
export class Store {
  readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
  }

  header(): Header | null {
    const [row] = this.#rows("SELECT * FROM run");
    return row ? headerOf(row) : null;
  }

  run(): RunRow {
    const [row] = this.#rows("SELECT * FROM run");
    if (!row) throw new Error("the run was not started");
    return runOf(row);
  }

  create(request: RunRequest, now: number): void {
    const run = newRun(request.fresh);
    this.sql.exec(
      `INSERT INTO run (one, id, identity, reason, sender, approved, fresh, succeeds, head, requested_at, created_at, phase, rules, attributes, pending, required,
         required_succeeded, unreplayable, jobs, open_jobs, open_derivations) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)`,
      request.run,
      JSON.stringify(request.identity),
      JSON.stringify(request.reason),
      JSON.stringify(request.sender),
      request.approved,
      request.fresh ? 1 : 0,
      JSON.stringify(request.succeeds),
      request.reason.head,
      request.requestedAt,
      now,
      run.phase,
      JSON.stringify(run.rules),
    );
  }

  /** Sets columns of the run that are not core's. Column names are ours. */
  set(columns: Record<string, SqlStorageValue>): void {
    const names = Object.keys(columns);
    this.sql.exec(
      `UPDATE run SET ${names.map((name) => `${name} = ?`).join(", ")}`,
      ...Object.values(columns),
    );
  }

  slice(part: Partial<Omit<Slice, "run">> = {}): Slice {
    return { run: this.run(), jobs: [], attributes: [], derivations: [], ...part };
  }

  jobs(where: string, ...values: SqlStorageValue[]): JobRow[] {
    return this.#rows(`SELECT * FROM job WHERE ${where} ORDER BY number`, ...values).map(jobOf);
  }

  job(number: number): JobRow | null {
    return this.jobs("number = ?", number)[0] ?? null;
  }

  attributes(where: string, ...values: SqlStorageValue[]): AttributeRow[] {
    return this.#rows(`SELECT * FROM attribute WHERE ${where}`, ...values).map(attributeOf);
  }

  attributesByKey(keys: readonly string[]): AttributeRow[] {
    return this.in("SELECT * FROM attribute WHERE key IN", keys).map(attributeOf);
  }

  attributesByDrv(drvs: readonly string[]): AttributeRow[] {
    return this.in("SELECT * FROM attribute WHERE drv IN", drvs).map(attributeOf);
  }

  derivations(where: string, ...values: SqlStorageValue[]): DerivationRow[] {
    return this.#rows(`SELECT * FROM derivation WHERE ${where}`, ...values).map(derivationOf);
  }

  derivationsByDrv(drvs: readonly string[]): DerivationRow[] {
    return this.in("SELECT * FROM derivation WHERE drv IN", drvs).map(derivationOf);
  }

  /** Derivations and the attributes they are. */
  withAttributes(derivations: DerivationRow[]): Pick<Slice, "attributes" | "derivations"> {
    return { derivations, attributes: this.attributesByDrv(derivations.map(({ drv }) => drv)) };
  }

  counts(): Count[] {
    return this.#rows("SELECT kind, required, count FROM count WHERE count > 0").map((row) => ({
      kind: row["kind"] as Count["kind"],
      required: row["required"] === 1,
      count: Number(row["count"]),
    }));
  }

  exists(query: string, ...values: SqlStorageValue[]): boolean {
    return this.sql.exec(`${query} LIMIT 1`, ...values).toArray().length > 0;
  }

  notice(text: string): void {
    this.sql.exec(
      "INSERT INTO notice (text) SELECT ? WHERE (SELECT count(*) FROM notice) < 100",
      text.slice(0, 4_096),
    );
  }

  /** The same finding of another attempt is the same row. */
  find(finding: Finding): void {
    this.sql.exec(
      "INSERT INTO finding (finding) SELECT ? WHERE (SELECT count(*) FROM finding) < ? ON CONFLICT DO NOTHING",
      JSON.stringify(finding),
      MAX_FINDINGS,
    );
  }

  findings(): Finding[] {
    return this.sql
      .exec<{ finding: string }>("SELECT finding FROM finding ORDER BY id")
      .toArray()
      .map(({ finding }) => JSON.parse(finding) as Finding);
  }

  /** Some of the attributes that differ from the base's. */
  differences(): Difference["names"] {
    return this.sql
      .exec<{ kind: string; name: string }>("SELECT kind, name FROM difference ORDER BY id")
      .toArray()
      .map(({ kind, name }) => ({ kind: kind as Difference["names"][number]["kind"], name }));
  }

  notices(): string[] {
    return this.sql
      .exec<{ text: string }>("SELECT text FROM notice ORDER BY id")
      .toArray()
      .map(({ text }) => text);
  }

  save({ run, counts, jobs, attributes, derivations }: Changes, now: number): void {
    this.sql.exec(
      `UPDATE run SET phase = ?, pool = ?, rules = ?, attributes = ?, pending = ?, required = ?, required_succeeded = ?, unreplayable = ?,
         jobs = ?, open_jobs = ?, open_derivations = ?, evaluation = ?, stopped = ?, evaluator = ?, rolling = ?`,
      run.phase,
      run.pool,
      JSON.stringify(run.rules),
      run.attributes,
      run.pending,
      run.required,
      run.requiredSucceeded,
      run.unreplayable,
      run.jobs,
      run.openJobs,
      run.openDerivations,
      maybe(run.evaluation),
      maybe(run.stopped),
      run.evaluator,
      run.rollout ?? "none",
    );
    for (const { kind, required, by } of counts) {
      this.sql.exec(
        "INSERT INTO count VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        kind,
        required ? 1 : 0,
        by,
      );
    }
    for (const job of jobs) {
      this.sql.exec(
        "INSERT OR REPLACE INTO job (number, kind, aside, state, system, features, attempt, runner, verdict, digest, retries, starts, not_before, cancel) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        job.number,
        job.kind,
        job.aside,
        job.state,
        job.system,
        JSON.stringify(job.features),
        job.attempt,
        job.runner,
        maybe(job.verdict),
        job.digest,
        job.retries,
        job.starts,
        job.notBefore,
        job.cancel,
      );
    }
    for (const row of attributes) {
      this.sql.exec(
        // Only what can change is written again: every index that is not touched is a row less to pay for.
        `INSERT INTO attribute (id, key, selection, path, name, system, drv, required, kind, verdict, cause, seconds, log, provenance, rank) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET drv = excluded.drv, required = excluded.required, kind = excluded.kind, verdict = excluded.verdict, cause = excluded.cause,
           seconds = excluded.seconds, log = excluded.log, provenance = excluded.provenance, rank = excluded.rank`,
        row.index,
        attributeKey(row.selection, row.path),
        row.selection,
        JSON.stringify(row.path),
        row.name,
        row.system,
        row.drv,
        row.required ? 1 : 0,
        row.verdict?.kind ?? null,
        maybe(row.verdict),
        row.cause,
        row.seconds,
        maybe(row.log),
        maybe(row.provenance),
        rank(row),
      );
    }
    for (const row of derivations) {
      this.sql.exec(
        `INSERT INTO derivation (drv, name, system, features, state, job, selection, path, verdict, seconds, remember, since, rounds, provenance, earlier) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (drv) DO UPDATE SET state = excluded.state, job = excluded.job, verdict = excluded.verdict, seconds = excluded.seconds, remember = excluded.remember, rounds = excluded.rounds, provenance = excluded.provenance, earlier = excluded.earlier`,
        row.drv,
        row.name,
        row.system,
        JSON.stringify(row.features),
        row.state,
        row.job,
        row.selection,
        JSON.stringify(row.path),
        maybe(row.verdict),
        row.seconds,
        row.remember ? 1 : 0,
        now,
        row.rounds,
        maybe(row.provenance),
        maybe(row.earlier),
      );
    }
  }

  /** Rows of `query`, which ends with IN, for values of any number. */
  in(query: string, values: readonly string[]): Stored[] {
    const found: Stored[] = [];
    for (let at = 0; at < values.length; at += BIND) {
      const part = values.slice(at, at + BIND);
      found.push(...this.#rows(`${query} (${part.map(() => "?").join(", ")})`, ...part));
    }
    return found;
  }

  #rows(query: string, ...values: SqlStorageValue[]): Stored[] {
    return this.sql.exec<Stored>(query, ...values).toArray();
  }
}

function maybe(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

/** 0: required and not well. 1: required and open. 2: not well, not required. 3: required and well. 4: the rest. */
function rank({ required, verdict }: AttributeRow): number {
  const well = verdict?.kind === "succeeded" || verdict?.kind === "evaluated-only";
  if (required) return verdict === null ? 1 : well ? 3 : 0;
  return verdict === null || well ? 4 : 2;
}
