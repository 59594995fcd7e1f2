import type { FleetJob, JobState } from "../../../core/fleet/index.ts";
import { Pool } from "../../../protocol/identifiers.ts";
import type { MachineReference } from "../../../protocol/machine.ts";
import type { Work } from "../../../protocol/specification.ts";
import type { QueuedJob } from "../contracts.ts";

type Row = {
  job: string;
  repository: number;
  pool: string;
  system: string | null;
  features: string;
  prefer: string | null;
  queued_at: number;
  state: string;
  attempt: number;
  runner: string | null;
  since: number;
  losses: number;
  declines: number;
  not_before: number;
  avoid: string | null;
  cancel: string | null;
  digest: string | null;
  exchange: string | null;
  pin: string | null;
  machines: string;
  once: number;
};

const COLUMNS = [
  "job",
  "repository",
  "pool",
  "system",
  "features",
  "prefer",
  "queued_at",
  "state",
  "attempt",
  "runner",
  "since",
  "losses",
  "declines",
  "not_before",
  "avoid",
  "cancel",
  "digest",
  "exchange",
  "pin",
  "machines",
  "once",
];
const SAVE = `INSERT OR REPLACE INTO job (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map(() => "?").join(", ")})`;

/** Rows of jobs. The request is kept apart: it is large, written once, and read only for an offer. */
export class Jobs {
  readonly #sql: SqlStorage;
  /** Jobs that are not done, as stored: every frame looks at all of them. Null until they are read. */
  #open: Map<string, FleetJob> | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(request: QueuedJob): void {
    const { job, run, kind, repository, pool, needs, prefer, exchange, queuedAt, near, work } =
      request;
    this.#sql.exec(
      "INSERT INTO job_request (job, request) VALUES (?, ?)",
      job,
      JSON.stringify(request),
    );
    this.save({
      job,
      repository: repository.id,
      pool,
      system: needs.system,
      features: needs.features,
      prefer,
      queuedAt,
      state: "queued",
      attempt: 0,
      runner: null,
      since: queuedAt,
      losses: 0,
      declines: 0,
      notBefore: 0,
      avoid: null,
      cancel: null,
      digest: null,
      exchange,
      // Whatever is for machines stays where it was evaluated: closures are planned, and sent, from one store.
      pin:
        near !== undefined
          ? `${run} machines`
          : kind === "build"
            ? `${run} ${needs.system ?? "any"}`
            : null,
      machines: [...new Set([...(near ?? []), ...machinesOf(work).map(({ hostKey }) => hostKey)])],
      once: kind === "deploy",
    });
  }

  save(job: FleetJob): void {
    this.#sql.exec(
      SAVE,
      job.job,
      job.repository,
      job.pool,
      job.system,
      JSON.stringify(job.features),
      job.prefer,
      job.queuedAt,
      job.state,
      job.attempt,
      job.runner,
      job.since,
      job.losses,
      job.declines,
      job.notBefore,
      job.avoid,
      job.cancel,
      job.digest,
      job.exchange,
      job.pin,
      JSON.stringify(job.machines),
      job.once ? 1 : 0,
    );
    if (job.state === "done") this.#open?.delete(job.job);
    else this.#open?.set(job.job, job);
    // What an offer was made of is not needed when there will be no more.
    if (job.state === "done") this.#sql.exec("DELETE FROM job_request WHERE job = ?", job.job);
  }

  /** A transaction was rolled back: what is stored is read again. */
  reload(): void {
    this.#open = null;
  }

  get(job: string): FleetJob | null {
    const open = this.#all().get(job);
    if (open !== undefined) return open;
    const [row] = this.#sql.exec<Row>("SELECT * FROM job WHERE job = ?", job).toArray();
    return row === undefined ? null : read(row);
  }

  request(job: string): QueuedJob | null {
    const [row] = this.#sql
      .exec<{ request: string }>("SELECT request FROM job_request WHERE job = ?", job)
      .toArray();
    // Written by `add` from the same type.
    return row === undefined ? null : (JSON.parse(row.request) as QueuedJob);
  }

  open(): FleetJob[] {
    return [...this.#all().values()];
  }

  openOf(runner: string): FleetJob[] {
    return this.open().filter((job) => job.runner === runner);
  }

  #all(): Map<string, FleetJob> {
    this.#open ??= new Map(
      this.#sql
        .exec<Row>("SELECT * FROM job WHERE state <> 'done'")
        .toArray()
        .map((row) => [row.job, read(row)]),
    );
    return this.#open;
  }

  /** Which runner each pin of these jobs is at; see core's `assign`. */
  homes(jobs: readonly FleetJob[]): Map<string, string> {
    if (jobs.every(({ pin }) => pin === null)) return new Map();
    return new Map(
      this.#sql
        .exec<{ pin: string; runner: string }>("SELECT pin, runner FROM home")
        .toArray()
        .map(({ pin, runner }) => [pin, runner]),
    );
  }

  settle(pin: string, runner: string, now: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO home (pin, runner, at) VALUES (?, ?, ?)",
      pin,
      runner,
      now,
    );
  }

  /** Forgets jobs that were over before `before`. */
  purge(before: number): void {
    this.#sql.exec("DELETE FROM job WHERE state = 'done' AND since < ?", before);
    this.#sql.exec("DELETE FROM home WHERE at < ?", before);
  }
}

/** The machines that a job contacts. */
export function machinesOf(work: Work): readonly MachineReference[] {
  if (work.kind === "observe") return work.machines;
  return work.kind === "deploy" ? [work.machine] : [];
}

function read(row: Row): FleetJob {
  return {
    job: row.job,
    repository: row.repository,
    pool: Pool.parse(row.pool),
    system: row.system,
    features: JSON.parse(row.features) as string[],
    prefer: row.prefer,
    queuedAt: row.queued_at,
    state: row.state as JobState,
    attempt: row.attempt,
    runner: row.runner,
    since: row.since,
    losses: row.losses,
    declines: row.declines,
    notBefore: row.not_before,
    avoid: row.avoid,
    cancel: row.cancel,
    digest: row.digest,
    exchange: row.exchange,
    pin: row.pin,
    machines: JSON.parse(row.machines) as string[],
    once: row.once === 1,
  };
}
