import { DurableObject } from "cloudflare:workers";
import type { Flake } from "../../../core/flakiness/index.ts";
import { decide, left } from "../../../core/repo/decide.ts";
import { ForeignOwner } from "../../../core/repo/identity.ts";
import { runId } from "../../../core/repo/key.ts";
import type { Decision } from "../../../core/repo/rows.ts";
import { EVERYTHING_ACTIVE, wants } from "../../../core/repo/wants.ts";
import type { Pool, RunId } from "../../../protocol/identifiers.ts";
import type { Environment } from "../../environment.ts";
import { Receiver } from "../../github/probot.ts";
import {
  type Accepted,
  type AuditRow,
  type BuiltSystem,
  type Delivery,
  type FleetView,
  type JudgedVerdict,
  objectName,
  type PolicySource,
  type Read,
  type RecalledVerdict,
  type RememberedEvaluation,
  type RememberedTree,
  type RepoContract,
  type RepositoryIdentity,
  type RunSection,
  type WriterContract,
} from "../contracts.ts";
import { Alarm } from "../inbox/alarm.ts";
import { Due, type Perform } from "../inbox/due.ts";
import { Inbox, type Waiting } from "../inbox/inbox.ts";
import { Turns } from "../inbox/turns.ts";
import { migrate } from "../migrations.ts";
import { performer, targetOf } from "./effects.ts";
import { Clock } from "./clock.ts";
import { type Comparing, fleetOf } from "./drift.ts";
import { Memory } from "./memory.ts";
import { Policy } from "./policy.ts";
import { steps } from "./schema.ts";
import { State } from "./state.ts";
import { Sticky } from "./sticky.ts";

/** So long after a delivery (ms) the rows of the past are looked through; a quiet repository is left alone. */
const PRUNED_AFTER = 6 * 3_600_000;

/** A repository without machines looks so often (ms) whether it has some. */
const LOOKED_AFTER = 3_600_000;
/** Pages ask for the machines; those that ask within this time (ms) are given the same. */
const SAME_FLEET = 2_000;

/** One repository: takes its deliveries in, decides which runs there are, remembers what was judged. */
export class Repo extends DurableObject<Environment> implements RepoContract {
  readonly #version: number;
  readonly #turns: Turns;
  readonly #inbox: Inbox;
  readonly #due: Due;
  readonly #state: State;
  readonly #clock: Clock;
  readonly #sticky: Sticky;
  readonly #memory: Memory;
  readonly #policy: Policy;
  readonly #receiver = new Receiver();
  readonly #comparing: Comparing;
  #fleet: { at: number; answer: Promise<FleetView | null> } | null = null;
  readonly #perform: Perform;

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    const { storage } = ctx;
    this.#version = migrate(storage, steps);
    const alarm = new Alarm(storage);
    this.#inbox = new Inbox(storage, env.BLOBS, alarm, `inbox/${ctx.id.toString()}`);
    this.#due = new Due(storage);
    this.#turns = new Turns({
      object: ctx.id.toString(),
      alarm,
      inbox: this.#inbox,
      due: this.#due,
    });
    this.#state = new State(storage.sql);
    this.#clock = new Clock(storage.sql);
    this.#sticky = new Sticky(storage.sql, this.#state.commands);
    this.#memory = new Memory(storage.sql);
    this.#policy = new Policy(storage.sql);
    this.#comparing = {
      env,
      state: this.#state,
      clock: this.#clock,
      transaction: (work) => storage.transactionSync(work),
      policy: (identity) => this.policy(identity),
    };
    this.#perform = performer({
      env,
      state: this.#state,
      clock: this.#clock,
      wakeAt: (at) => this.#due.only("clock", "clock", at),
      sticky: this.#sticky,
      transaction: (work) => storage.transactionSync(work),
      apply: (decision) => this.#apply(decision),
      policy: (identity) => this.policy(identity),
      prune: () => this.#prune(Date.now()),
    });
  }

  accept(delivery: Delivery): Promise<Accepted> {
    return this.#inbox.accept(delivery);
  }

  override alarm(): Promise<void> {
    return this.#turns.ring((row) => this.#handle(row), this.#perform);
  }

  async wake(): Promise<{ version: number }> {
    // Runners may name its machines only now; one that has some looks by itself.
    if (this.#state.identity() !== null)
      this.#due.once("clock", "clock", Date.now() + LOOKED_AFTER);
    await this.#turns.wake();
    return { version: this.#version };
  }

  async setAside(): Promise<number> {
    return this.#inbox.aside();
  }

  async policy(identity: RepositoryIdentity): Promise<Read<PolicySource>> {
    const known = this.#same(identity);
    const writer: WriterContract = this.env.WRITER.getByName(
      objectName.writer(known.host, known.installation),
    );
    const head = this.#state.head(`refs/heads/${known.repository.defaultBranch}`);
    return this.#policy.read(known, head?.sha ?? null, writer, Date.now());
  }

  async recall(pool: Pool, drvs: string[]): Promise<RecalledVerdict[]> {
    return this.#memory.recall(pool, drvs, Date.now());
  }

  async remember(pool: Pool, verdicts: JudgedVerdict[]): Promise<Flake[]> {
    return this.ctx.storage.transactionSync(() =>
      this.#memory.remember(pool, verdicts, Date.now()),
    );
  }

  async recallTree(key: string): Promise<RememberedTree | null> {
    return this.#memory.recallTree(key, Date.now());
  }

  async rememberTree(tree: RememberedTree): Promise<void> {
    this.#memory.rememberTree(tree, Date.now());
  }

  async recallEvaluation(sha: string, pool: Pool): Promise<{ blob: string } | null> {
    return this.#memory.recallEvaluation(sha, pool, Date.now());
  }

  async rememberEvaluation(evaluation: RememberedEvaluation): Promise<void> {
    this.ctx.storage.transactionSync(() =>
      this.#forgetBlobs(this.#memory.rememberEvaluation(evaluation, Date.now())),
    );
  }

  async left(installation: number, why: string): Promise<void> {
    if (this.#state.identity()?.installation !== installation) return;
    this.ctx.storage.transactionSync(() =>
      this.#apply(left(this.#state.slice(EVERYTHING_ACTIVE), why, Date.now())),
    );
    await this.#turns.wake();
  }

  async finished(run: RunId, conclusion: string, systems: BuiltSystem[] = []): Promise<void> {
    const n = this.#own(run);
    this.ctx.storage.transactionSync(() => {
      this.#state.finished(n, conclusion);
      this.#follow(n, systems, Date.now());
    });
    await this.#turns.wake();
  }

  async fleet(): Promise<FleetView | null> {
    const identity = this.#state.identity();
    if (identity === null) return null;
    // Anybody may ask, and each answer is a call to every machine's object.
    if (this.#fleet === null || Date.now() - this.#fleet.at > SAME_FLEET) {
      const answer = fleetOf(this.#comparing, identity);
      this.#fleet = { at: Date.now(), answer };
      answer.catch(() => (this.#fleet = null));
    }
    return await this.#fleet.answer;
  }

  async section(run: RunId, section: RunSection, markdown: string | null): Promise<void> {
    const n = this.#own(run);
    // Asked for again, a run of an earlier head is the newest one, and says nothing about what is proposed now.
    const pull = this.#state.pullAt(n);
    if (pull === null) return;
    this.ctx.storage.transactionSync(() => {
      if (this.#sticky.put(pull, section, n, markdown))
        this.#apply({ changes: [], effects: [{ kind: "sticky", pull }] });
    });
    await this.#turns.wake();
  }

  async audit(before: number | null, limit: number): Promise<AuditRow[]> {
    return this.#state.commands.audit(before, Math.min(limit, 1_000));
  }

  async runs(limit: number): Promise<RunId[]> {
    return this.#ids(this.#state.newest(Math.min(limit, 1_000)));
  }

  async active(): Promise<RunId[]> {
    return this.#ids(this.#state.newest(1_000, "active"));
  }

  async begun(before: number): Promise<RunId[]> {
    return this.#ids(this.#state.begun(before));
  }

  async #handle(row: Waiting): Promise<() => void> {
    const payload: unknown = JSON.parse(row.text);
    const event = await this.#receiver.receive({ id: row.delivery, name: row.event, payload });
    // By id: an object that an alarm woke may not know its name.
    const own = this.env.REPO.idFromName(
      objectName.repo(this.env.GITHUB_HOST, event.repository?.id ?? 0),
    );
    if (!own.equals(this.ctx.id))
      throw new Error(
        `a delivery about repository ${event.repository?.id ?? "none"} came to another repository's object`,
      );
    return () =>
      this.#apply(
        decide(
          this.#state.slice(wants(event, row.receivedAt)),
          event,
          row.receivedAt,
          this.env.GITHUB_HOST,
        ),
      );
  }

  /** Inside a transaction: rows, and effects into the outbox. */
  #apply({ changes, effects }: Decision): void {
    for (const change of changes) {
      if (change.kind === "policy-stale") this.#policy.stale();
      else if (change.kind === "forget-verdicts") this.#forgetBlobs(this.#memory.forgetAll());
      else this.#state.apply(change);
      if (change.kind === "identity") this.#inbox.again(ForeignOwner.name);
    }
    const now = Date.now();
    this.#due.once("prune", "prune", now + PRUNED_AFTER);
    for (const effect of effects) {
      if (effect.kind === "sticky") this.#sticky.changed(effect.pull, now);
      this.#due.add("effect", targetOf(effect), effect, now);
    }
  }

  /** What follows from a run's end: what the default branch's machines should run, what begins by itself, what drifts. */
  #follow(n: number, systems: readonly BuiltSystem[], now: number): void {
    const request = this.#state.request(n);
    if (request === null) return;
    const { reason, identity } = request;
    const branch = `refs/heads/${identity.repository.defaultBranch}`;
    const own = "ref" in reason && reason.ref === branch;
    if (own) this.#clock.want(reason.head, systems, now);
    if (reason.kind === "deploy" ? reason.what.kind === "plan" : !own) return;
    // Where the pull request of a deploy was closed meanwhile, nobody else says what it left behind.
    const pull = reason.kind === "deploy" ? reason.pull : null;
    const over = pull !== null && this.#state.pull(pull)?.merged === false;
    this.#due.add("clock", "clock:now", { ended: { closed: over ? pull : null } }, now);
  }

  /** Whether a caller speaks for this repository, as it is known here. */
  #same(identity: RepositoryIdentity): RepositoryIdentity {
    const known = this.#state.identity();
    if (
      known === null ||
      known.repository.id !== identity.repository.id ||
      known.account.id !== identity.account.id
    ) {
      throw new Error(
        `a call for repository ${identity.repository.id} of account ${identity.account.id} came to ${this.ctx.id.toString()}`,
      );
    }
    return known;
  }

  /** The number of a run of this repository. */
  #own(run: RunId): number {
    const identity = this.#state.identity();
    const n = Number(run.slice(run.indexOf("-") + 1));
    if (identity === null || run !== runId(identity.repository.id, n))
      throw new Error(`run ${run} is not of this repository`);
    return n;
  }

  #prune(now: number): void {
    this.#inbox.expire(now);
    this.#forgetBlobs(this.#memory.prune(now));
    this.#state.prune(now);
    this.#sticky.prune();
  }

  /** Inside a transaction. */
  #forgetBlobs(blobs: readonly string[]): void {
    for (const key of blobs) this.#due.add("delete-blob", `blob:${key}`, { key }, Date.now());
  }

  #ids(numbers: number[]): RunId[] {
    const repository = this.#state.identity()?.repository.id;
    return repository === undefined ? [] : numbers.map((n) => runId(repository, n));
  }
}
