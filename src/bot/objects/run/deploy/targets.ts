import type {
  DeployMachine,
  RolloutChanges,
  RolloutRow,
  RolloutSlice,
  StageRow,
  TargetRow,
} from "../../../../core/deploy/index.ts";
import type { MachinePlan, Observation } from "../../../../protocol/machine.ts";
import type { Source } from "../../../../protocol/source.ts";
import type { MachineOf } from "../../contracts.ts";
import type { Header } from "../rows.ts";
import type { Store } from "../store.ts";

/** A machine of the run: who it is, what was seen, what is planned, and how far it is. */
export type Target = {
  machine: string;
  hostKey: string;
  settings: DeployMachine;
  /** What it ran when it was seen last, and when that was (Unix ms); null where it never was. */
  running: string | null;
  seenAt: number | null;
  plan: MachinePlan | null;
  target: TargetRow | null;
  /** What it said in this run, or why it did not. */
  observed:
    | { kind: "observation"; observation: Observation }
    | { kind: "unreachable"; why: string }
    | null;
  /** The tree that the system came from which it goes back to; null where nobody knows, and of closures. */
  previous: Source | null;
};

/** One machine of one job. `heard`: what the job was for was told on the run channel; `settled`: what follows from the job's end was done. */
export type Errand = {
  job: number;
  machine: string;
  kind: "plan" | "observe" | "deploy";
  at: number;
  counter: number | null;
  direction: TargetRow["direction"] | null;
  heard: boolean;
  settled: boolean;
};

type Row = {
  machine: string;
  host_key: string;
  settings: string;
  running: string | null;
  seen_at: number | null;
  plan: string | null;
  target: string | null;
  observed: string | null;
  previous: string | null;
};

type StoredErrand = {
  job: number;
  machine: string;
  kind: string;
  at: number;
  counter: number | null;
  direction: string | null;
  heard: number;
  settled: number;
};

/** Rows of what a run does with machines. Columns of JSON hold what this release or an earlier one wrote itself. */
export class Targets {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  all(): Target[] {
    return this.#read('1 ORDER BY "order", machine');
  }

  one(machine: string): Target | null {
    return this.#read("machine = ?", machine)[0] ?? null;
  }

  of(job: number): Target[] {
    return this.#read(
      "machine IN (SELECT machine FROM errand WHERE job = ?) ORDER BY machine",
      job,
    );
  }

  add(settings: DeployMachine, hostKey: string, order: number): void {
    this.#store.sql.exec(
      'INSERT INTO target (machine, host_key, settings, "order") VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      settings.name,
      hostKey,
      JSON.stringify(settings),
      order,
    );
  }

  /** What it runs; what was planned stays what it was planned against. */
  seen(machine: string, running: string | null, at: number): void {
    this.#store.sql.exec(
      "UPDATE target SET running = ?, seen_at = ? WHERE machine = ? AND plan IS NULL AND coalesce(seen_at, 0) <= ?",
      running,
      at,
      machine,
      at,
    );
  }

  observed(machine: string, result: NonNullable<Target["observed"]>): void {
    this.#store.sql.exec(
      "UPDATE target SET observed = ? WHERE machine = ?",
      JSON.stringify(result),
      machine,
    );
  }

  planned(plan: MachinePlan): void {
    this.#store.sql.exec(
      "UPDATE target SET plan = ? WHERE machine = ?",
      JSON.stringify(plan),
      plan.machine,
    );
  }

  keepPrevious(machine: string, source: Source): void {
    this.#store.sql.exec(
      "UPDATE target SET previous = ? WHERE machine = ?",
      JSON.stringify(source),
      machine,
    );
  }

  errand(errand: Omit<Errand, "heard" | "settled">): void {
    const { job, machine, kind, at, counter, direction } = errand;
    this.#store.sql.exec(
      "INSERT INTO errand (job, machine, kind, at, counter, direction) VALUES (?, ?, ?, ?, ?, ?)",
      job,
      machine,
      kind,
      at,
      counter,
      direction,
    );
  }

  errands(where: string, ...values: SqlStorageValue[]): Errand[] {
    return this.#store.sql
      .exec<StoredErrand>(`SELECT * FROM errand WHERE ${where} ORDER BY job, machine`, ...values)
      .toArray()
      .map((row) => ({
        ...row,
        kind: row.kind as Errand["kind"],
        direction: row.direction as Errand["direction"],
        heard: row.heard === 1,
        settled: row.settled === 1,
      }));
  }

  mark(of: "heard" | "settled", job: number, machine: string): void {
    this.#store.sql.exec(`UPDATE errand SET ${of} = 1 WHERE job = ? AND machine = ?`, job, machine);
  }

  slice(rollout: RolloutRow): RolloutSlice {
    const stages = this.#store.sql
      .exec<{ stage: string }>("SELECT stage FROM stage ORDER BY n")
      .toArray()
      .map(({ stage }) => JSON.parse(stage) as StageRow);
    const targets = this.all().flatMap(({ target }) => (target === null ? [] : [target]));
    return { rollout, stages, targets };
  }

  begin(stages: readonly StageRow[]): void {
    for (const stage of stages)
      this.#store.sql.exec(
        "INSERT OR REPLACE INTO stage (n, stage) VALUES (?, ?)",
        stage.n,
        JSON.stringify(stage),
      );
  }

  save({ rollout, targets }: RolloutChanges): void {
    this.#store.set({ rollout: JSON.stringify(rollout) });
    for (const target of targets)
      this.#store.sql.exec(
        "UPDATE target SET target = ? WHERE machine = ?",
        JSON.stringify(target),
        target.machine,
      );
  }

  #read(where: string, ...values: SqlStorageValue[]): Target[] {
    return this.#store.sql
      .exec<Row>(`SELECT * FROM target WHERE ${where}`, ...values)
      .toArray()
      .map((row) => ({
        machine: row.machine,
        hostKey: row.host_key,
        settings: JSON.parse(row.settings) as DeployMachine,
        running: row.running,
        seenAt: row.seen_at,
        plan: row.plan === null ? null : (JSON.parse(row.plan) as MachinePlan),
        target: row.target === null ? null : (JSON.parse(row.target) as TargetRow),
        observed: row.observed === null ? null : (JSON.parse(row.observed) as Target["observed"]),
        previous: row.previous === null ? null : (JSON.parse(row.previous) as Source),
      }));
  }
}

/** The run's word to a machine's object. */
export function machineOf({ identity }: Header, hostKey: string): MachineOf {
  return {
    host: identity.host,
    account: identity.account.id,
    repository: identity.repository.id,
    hostKey,
  };
}
