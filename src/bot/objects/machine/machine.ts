import { DurableObject } from "cloudflare:workers";
import {
  type Ask,
  ask,
  blamed,
  end,
  free,
  heard,
  type KeepRow,
  keep,
  leave,
  lose,
  type MachineChanges,
  type MachineEffect,
  type MachineSlice,
  observe,
  overdue,
  type Refusal,
  SILENT,
  type Turn,
  unlock,
  unreachable,
  withdraw,
} from "../../../core/deploy/index.ts";
import type { RunId } from "../../../protocol/identifiers.ts";
import type { DeployStep, MachineOutcome, Observation } from "../../../protocol/machine.ts";
import type { Environment } from "../../environment.ts";
import {
  type FleetContract,
  type MachineContract,
  type MachineOf,
  type MachineView,
  objectName,
  type RunContract,
} from "../contracts.ts";
import { Alarm } from "../inbox/alarm.ts";
import { Due, type DueRow } from "../inbox/due.ts";
import { migrate } from "../migrations.ts";
import { Rows } from "./rows.ts";
import { steps } from "./schema.ts";

/** Deploys of its past that a view has. */
const SEEN = 20;
/** Nothing was heard of the machine yet: a wish is refused, not waited with. */
const NOT_NAMED =
  "No deploy runner's own policy names this machine (any more) for this repository.";

/**
 * One machine of an account, by its host key, whatever repository speaks of it: who changes it next, and who keeps it. A
 * shell: loads rows, asks core, writes rows and what follows in one transaction, performs that until it is answered.
 */
export class Machine extends DurableObject<Environment> implements MachineContract {
  readonly #rows: Rows;
  readonly #due: Due;
  readonly #alarm: Alarm;
  readonly #version: number;
  /** The clock, ms. Tests set another. */
  clock: () => number = () => Date.now();

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    this.#version = migrate(ctx.storage, steps);
    this.#rows = new Rows(ctx.storage.sql);
    this.#due = new Due(ctx.storage);
    this.#alarm = new Alarm(ctx.storage);
  }

  async ask(of: MachineOf, asked: Ask): Promise<Turn> {
    if (!(await this.#isNamed(of)))
      return { kind: "refused", refusal: { code: "gone", why: NOT_NAMED } };
    return this.#step(of, asked.key, [blamed(asked)], (slice, now) => ask(slice, asked, now)).turn;
  }

  async withdraw(of: MachineOf, key: string): Promise<{ begun: number | null }> {
    const { begun } = this.#step(of, key, [], (slice, now) => withdraw(slice, key, now));
    return { begun };
  }

  async heard(of: MachineOf, key: string, counter: number, step: DeployStep): Promise<void> {
    this.#step(of, key, [], (slice, now) => heard(slice, key, counter, step, now));
  }

  async end(of: MachineOf, key: string, counter: number, outcome: MachineOutcome): Promise<void> {
    this.#step(of, key, [], (slice, now) => end(slice, key, counter, outcome, now));
  }

  async lose(of: MachineOf, key: string, step: DeployStep | null): Promise<void> {
    this.#step(of, key, [], (slice, now) => lose(slice, key, step, now));
  }

  async observed(of: MachineOf, observation: Observation, since: number): Promise<void> {
    this.#step(of, null, [], (slice, now) => observe(slice, observation, since, now));
  }

  async unreachable(of: MachineOf, why: string): Promise<void> {
    this.#step(of, null, [], (slice, now) => unreachable(slice, why.slice(0, 1_024), now));
  }

  async keep(
    of: MachineOf,
    asked: Pick<KeepRow, "kind" | "owner" | "reason" | "run">,
  ): Promise<Refusal | null> {
    if (!(await this.#isNamed(of))) return { code: "gone", why: NOT_NAMED };
    return this.#step(of, null, [], (slice, now) => keep(slice, asked, now)).refusal;
  }

  async unlock(of: MachineOf, by: string): Promise<Refusal | null> {
    if (!(await this.#isNamed(of))) return { code: "gone", why: NOT_NAMED };
    this.#step(of, null, [], (slice, now) => unlock(slice, by, now));
    return null;
  }

  async free(of: MachineOf, pull: number): Promise<boolean> {
    if (this.#rows.identity() === null) return true;
    const { repository } = of;
    return this.#step(of, null, [], (slice, now) => free(slice, { repository, pull }, now))
      .resolved;
  }

  async leave(of: MachineOf, run: RunId): Promise<void> {
    this.#step(of, null, [], (slice, now) => leave(slice, run, now));
  }

  async view(of: MachineOf): Promise<MachineView | null> {
    if (this.#rows.identity() === null) return null;
    this.#require(of);
    const { counter, observation, unreachable: silent } = this.#rows.machine();
    return {
      counter,
      observation,
      unreachable: silent,
      keeps: this.#rows.keeps(),
      open: this.#rows.tickets(null),
      history: this.#rows.history(SEEN),
    };
  }

  async wake(): Promise<{ version: number }> {
    await this.#alarm.check();
    this.#arm();
    return { version: this.#version };
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    try {
      await this.#due.run((row) => this.#perform(row), this.clock);
    } finally {
      this.#arm();
    }
  }

  /** Loads what core looks at, and writes what it decides with what follows from it. */
  #step<T extends { changes: MachineChanges; effects: MachineEffect[] }>(
    of: MachineOf,
    key: string | null,
    systems: readonly (string | null)[],
    decide: (slice: MachineSlice, now: number) => T,
  ): T {
    const now = this.clock();
    const result = this.ctx.storage.transactionSync(() => {
      this.#require(of);
      const tickets = this.#rows.tickets(key);
      const wanted = [...systems, ...tickets.map((ticket) => blamed(ticket))];
      const slice = {
        machine: this.#rows.machine(),
        tickets,
        keeps: this.#rows.keeps(),
        bad: this.#rows.bad(wanted.filter((system) => system !== null)),
      };
      const done = decide(slice, now);
      this.#rows.save(done.changes);
      this.#rows.prune();
      this.#follow(done.effects, now);
      this.#watch(now);
      return done;
    });
    this.#arm();
    return result;
  }

  /** Nothing may be heard of what has begun, or of a machine that was lost: somebody must look. */
  #watch(now: number): void {
    if (this.#rows.tickets(null).some(({ state }) => state !== "waiting"))
      this.#due.once("overdue", "overdue", now + SILENT);
  }

  #follow(effects: readonly MachineEffect[], now: number): void {
    for (const effect of effects) {
      if (effect.kind === "observe") this.#due.once("look", "look", effect.notBefore);
      // In their order, for each wish.
      else this.#due.add("tell", effect.key, effect, now);
    }
  }

  async #perform(row: DueRow): Promise<{ done: () => void }> {
    const nothing = { done: () => {} };
    if (row.kind === "overdue")
      return {
        done: () => {
          const now = this.clock();
          this.#follow(overdue(this.#slice(), now), now);
          this.#watch(now);
        },
      };
    if (row.kind === "look") {
      // Whoever lost it looks: the job is one of its run.
      const lost = this.#rows.tickets(null).find(({ state }) => state === "lost");
      if (lost !== undefined) await this.#run(lost.run).look(lost.machine);
      return nothing;
    }
    // Written by `#follow`.
    const effect = JSON.parse(row.payload) as Exclude<MachineEffect, { kind: "observe" }>;
    const run = this.#run(effect.run);
    if (effect.kind !== "ask-run") {
      await run.turn(effect);
      return nothing;
    }
    const { goesOn } = await run.deploying(effect.machine);
    if (goesOn) return nothing;
    return {
      done: () => {
        const { changes, effects } = lose(this.#slice(), effect.key, null, this.clock());
        this.#rows.save(changes);
        this.#follow(effects, this.clock());
      },
    };
  }

  #slice(): MachineSlice {
    return {
      machine: this.#rows.machine(),
      tickets: this.#rows.tickets(null),
      keeps: this.#rows.keeps(),
      bad: [],
    };
  }

  /** By its runners, now: a policy that was taken back holds for whoever asks next. */
  async #isNamed({ account, repository, hostKey }: MachineOf): Promise<boolean> {
    const fleet: FleetContract = this.env.FLEET.getByName(
      objectName.fleet(this.env.GITHUB_HOST, account),
    );
    const machines = await fleet.machines(account, repository);
    return machines.some((one) => one.hostKey === hostKey);
  }

  #run(run: RunId): RunContract {
    return this.env.RUN.getByName(objectName.run(this.env.GITHUB_HOST, run));
  }

  /** Whether a caller speaks of this machine. The first one says which it is. */
  #require({ host, account, hostKey }: MachineOf): void {
    const known = this.#rows.identity();
    const own =
      host === this.env.GITHUB_HOST &&
      this.env.MACHINE.idFromName(objectName.machine(host, account, hostKey)).equals(this.ctx.id) &&
      (known === null || (known.account === account && known.hostKey === hostKey));
    if (!own) throw new Error(`a call for machine ${hostKey} of account ${account} came elsewhere`);
    if (known === null) this.#rows.create({ host, account, hostKey });
  }

  #arm(): void {
    const at = this.#due.nextAt();
    if (at !== null) this.#alarm.by(at);
  }
}
