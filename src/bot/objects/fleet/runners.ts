import type { FleetRunner } from "../../../core/fleet/index.ts";
import type * as z from "zod";
import type { Hello } from "../../../protocol/control.ts";
import type { DeployTarget } from "../../../protocol/machine.ts";
import { Pool } from "../../../protocol/identifiers.ts";

/** A runner as enrolled. */
export type Enrolled = {
  runner: string;
  name: string;
  /** Raw Ed25519 key, base64. */
  publicKey: string;
  pool: Pool;
  class: string;
  repositories: number[] | null;
  /** What evaluates there, as of its last hello. */
  evaluator?: string | null;
  /** As its policy names them. */
  targets: DeployTarget[];
};

type Row = {
  runner: string;
  name: string;
  public_key: string;
  pool: string;
  class: string;
  repositories: string | null;
  systems: string | null;
  features: string;
  exchange: string | null;
  evaluator: string | null;
  slots: number;
  stream: string | null;
  online: number;
  draining: number;
  lease_until: number;
  targets: string;
  used: number;
};

const SELECT = `SELECT runner.*, (SELECT count(*) FROM job WHERE job.runner = runner.runner AND state IN
  ('offering', 'offered', 'accepted', 'running', 'suspect')) AS used FROM runner`;

/** Rows of runners. `lease_until` is exact only while a runner is away; of one online the socket knows better. */
export class Runners {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(runner: Omit<Enrolled, "targets">, now: number): void {
    const { repositories } = runner;
    this.#sql.exec(
      "INSERT INTO runner (runner, name, public_key, pool, class, repositories, enrolled_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      runner.runner,
      runner.name,
      runner.publicKey,
      runner.pool,
      runner.class,
      repositories && JSON.stringify(repositories),
      now,
    );
  }

  /** Forgets an enrolled runner: its key opens nothing any more. Answers its stream; null when it is not known. */
  remove(runner: string): { stream: string | null } | null {
    const [row] = this.#sql
      .exec<{ stream: string | null }>(
        "DELETE FROM runner WHERE runner = ? RETURNING stream",
        runner,
      )
      .toArray();
    return row ?? null;
  }

  /** Takes what a hello says; answers the stream that it replaces, if another. */
  hello(runner: string, hello: z.infer<typeof Hello>): string | null {
    const before = this.#row(runner)?.stream ?? null;
    this.#sql.exec(
      "UPDATE runner SET systems = ?, features = ?, exchange = ?, evaluator = ?, slots = ?, agent = ?, stream = ?, targets = iif(pool = 'deploy', ?, '[]'), online = 1, draining = 0 WHERE runner = ?",
      JSON.stringify(hello.systems),
      JSON.stringify(hello.features),
      hello.exchange ?? null,
      hello.evaluator ?? null,
      hello.slots,
      hello.agent,
      hello.stream,
      JSON.stringify(hello.targets ?? []),
      runner,
    );
    return before === hello.stream ? null : before;
  }

  /** As a hello tells it. */
  names(runner: string, targets: readonly DeployTarget[]): void {
    this.#sql.exec(
      "UPDATE runner SET targets = iif(pool = 'deploy', ?, '[]') WHERE runner = ?",
      JSON.stringify(targets),
      runner,
    );
  }

  drain(runner: string): void {
    this.#sql.exec("UPDATE runner SET draining = 1 WHERE runner = ?", runner);
  }

  /** The socket is gone; the runner counts as present until `leaseUntil`. */
  away(runner: string, leaseUntil: number): void {
    this.#sql.exec(
      "UPDATE runner SET online = 0, lease_until = ? WHERE runner = ?",
      leaseUntil,
      runner,
    );
  }

  get(runner: string): (FleetRunner & Enrolled) | null {
    const row = this.#row(runner);
    return row === null ? null : read(row);
  }

  all(): (FleetRunner & Enrolled)[] {
    return this.#sql.exec<Row>(SELECT).toArray().map(read);
  }

  #row(runner: string): Row | null {
    return this.#sql.exec<Row>(`${SELECT} WHERE runner = ?`, runner).toArray()[0] ?? null;
  }
}

function read(row: Row): FleetRunner & Enrolled {
  return {
    runner: row.runner,
    name: row.name,
    publicKey: row.public_key,
    pool: Pool.parse(row.pool),
    class: row.class,
    repositories: row.repositories === null ? null : (JSON.parse(row.repositories) as number[]),
    systems: row.systems === null ? null : (JSON.parse(row.systems) as string[]),
    features: JSON.parse(row.features) as string[],
    exchange: row.exchange,
    evaluator: row.evaluator,
    online: row.online === 1,
    draining: row.draining === 1,
    leaseUntil: row.lease_until,
    slots: row.slots,
    targets: JSON.parse(row.targets) as DeployTarget[],
    used: row.used,
  };
}
