import { DurableObject } from "cloudflare:workers";
import { lacks, missingEverywhere, route } from "../../../core/fleet/index.ts";
import { type FromRunner, LEASE, RunnerFrame } from "../../../protocol/control.ts";
import {
  CLOCK_SKEW,
  type CodeRequest,
  type EnrolmentReply,
  type EnrolmentRequest,
} from "../../../protocol/enrolment.ts";
import { runOf, type Pool } from "../../../protocol/identifiers.ts";
import { Channel, closeSocket, openSocket } from "../../channel/index.ts";
import type { Environment } from "../../environment.ts";
import {
  type FleetContract,
  type HeldJob,
  type KnownMachine,
  objectName,
  type QueuedJob,
  type RefusalRow,
  type Refused,
  type RunContract,
  type RunnerClass,
} from "../contracts.ts";
import { migrate } from "../migrations.ts";
import { Audit } from "./audit.ts";
import { classesOf } from "./classes.ts";
import { connectOf, proves } from "./connect.ts";
import { Desk } from "./desk.ts";
import { Enrolment } from "./enrolment.ts";
import { awayUntil, Hearing } from "./hear.ts";
import { type FleetIdentity, Identity } from "./identity.ts";
import { Jobs, machinesOf } from "./jobs.ts";
import { Offers } from "./offers.ts";
import { knownMachines } from "./machines.ts";
import { Outbox } from "./outbox.ts";
import { Runners } from "./runners.ts";
import { steps } from "./schema.ts";
import { Signing } from "./signing.ts";
import { fleetReply, Sockets } from "./sockets.ts";

/** How long a job that is over is remembered, to recognise what comes late (ms). */
const REMEMBERED = 7 * 24 * 60 * 60_000;

/** A runner as the operator sees it. */
export type RunnerView = {
  runner: string;
  name: string;
  /** Raw Ed25519 public key, base64: what a deploy runner's policy lists of a builder. */
  key: string;
  class: string;
  pool: Pool;
  repositories: number[] | null;
  online: boolean;
  draining: boolean;
  slots: number;
  used: number;
};

/** One account's runners: enrolment, control sockets, attempts and leases. */
export class Fleet extends DurableObject<Environment> implements FleetContract {
  readonly #identity: Identity;
  readonly #jobs: Jobs;
  readonly #runners: Runners;
  readonly #outbox: Outbox;
  readonly #sockets: Sockets;
  readonly #desk: Desk;
  readonly #offers: Offers;
  readonly #hearing: Hearing;
  readonly #enrolment: Enrolment;
  readonly #signing: Signing;
  readonly #audit: Audit;
  readonly #version: number;
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    const { storage } = ctx;
    this.#version = migrate(storage, steps);
    const run = (job: string): RunContract =>
      env.RUN.get(env.RUN.idFromName(objectName.run(env.GITHUB_HOST, runOf(job))));
    this.#identity = new Identity(storage.sql, env.GITHUB_HOST, ctx.id.name);
    this.#jobs = new Jobs(storage.sql);
    this.#runners = new Runners(storage.sql);
    this.#outbox = new Outbox(storage.sql, run);
    this.#sockets = new Sockets(ctx);
    this.#signing = new Signing(env.SPECIFICATION_KEY);
    this.#enrolment = new Enrolment(storage, this.#runners);
    const channel = new Channel<FromRunner>(storage, RunnerFrame, fleetReply);
    this.#audit = new Audit(storage.sql);
    const parts = {
      audit: this.#audit,
      jobs: this.#jobs,
      runners: this.#runners,
      outbox: this.#outbox,
      sockets: this.#sockets,
    };
    this.#desk = new Desk(storage, parts);
    this.#offers = new Offers(storage.sql, {
      ...parts,
      desk: this.#desk,
      signing: this.#signing,
      env,
      run,
    });
    this.#hearing = new Hearing({ ...parts, desk: this.#desk, channel });
    this.#recover(Date.now());
  }

  async enqueue(
    account: number,
    job: QueuedJob,
  ): Promise<{ outcome: "queued" | "known" } | { outcome: "no-runner"; missing: string[] }> {
    this.#identity.require(account);
    if (this.#jobs.get(job.job) !== null) return { outcome: "known" };
    const runners = this.#desk.runners();
    const wanted = {
      pool: job.pool,
      repository: job.repository.id,
      system: job.needs.system,
      features: job.needs.features,
    };
    const routed = route(wanted, job.near ?? [], job.exchange, runners);
    if (routed.kind === "nowhere") return { outcome: "no-runner", missing: routed.missing };
    const { exchange } = routed;
    const machines = [...routed.machines, ...machinesOf(job.work).map(({ hostKey }) => hostKey)];
    const missing = missingEverywhere({ ...wanted, machines }, runners);
    if (missing !== null) return { outcome: "no-runner", missing };
    const near = job.near === undefined ? {} : { near: [...routed.machines] };
    try {
      this.ctx.storage.transactionSync(() => this.#jobs.add({ ...job, ...near, exchange }));
    } catch (error) {
      this.#jobs.reload();
      throw error;
    }
    await this.#arm(Date.now());
    this.#soon();
    return { outcome: "queued" };
  }

  async cancel(job: string, reason: string): Promise<void> {
    this.#desk.apply(job, { kind: "cancel", reason }, Date.now());
    await this.#arm(Date.now());
    this.#soon();
  }

  async reach(
    account: number,
    of: { pool: Pool; repository: number; exchange: string | null },
    wanted: { system: string | null; features: string[] }[],
  ): Promise<{ anybody: string[] | null; partners: string[] | null }[]> {
    this.#identity.require(account);
    const runners = this.#desk.runners();
    const partners = runners.filter(
      ({ exchange }) => exchange !== null && exchange === of.exchange,
    );
    return wanted.map((each) => ({
      anybody: missingEverywhere({ ...of, ...each }, runners),
      partners: missingEverywhere({ ...of, ...each }, partners),
    }));
  }

  async partners(
    account: number,
    { pool, repository, exchange }: { pool: Pool; repository: number; exchange: string },
  ): Promise<number> {
    this.#identity.require(account);
    const here = this.#desk
      .runners()
      .filter(
        (each) =>
          each.exchange === exchange &&
          each.online &&
          !each.draining &&
          lacks({ pool, repository, system: null, features: [] }, each).length === 0,
      );
    return here.length < 2 ? 0 : here.reduce((sum, { slots }) => sum + slots, 0);
  }

  async branchGone(account: number, repository: number, ref: string): Promise<void> {
    this.#identity.require(account);
    for (const { runner, repositories } of this.#desk.runners())
      if (repositories === null || repositories.includes(repository))
        this.#sockets.mention(runner, {
          kind: "branch-gone",
          repository,
          ref: ref.slice(0, 1_024),
        });
  }

  async classes(pool: Pool, repository: number): Promise<RunnerClass[]> {
    return classesOf(this.#desk.runners(), pool, repository);
  }

  async machines(account: number, repository: number): Promise<KnownMachine[]> {
    this.#identity.require(account);
    return knownMachines(this.#desk.runners(), repository);
  }

  async refused(account: number, refused: Refused): Promise<void> {
    this.#identity.require(account);
    this.#audit.note(refused, Date.now());
  }

  /** What runners and control plane refused each other, newest first; those before `before`. */
  async audit(account: number, before: number | null, limit: number): Promise<RefusalRow[]> {
    this.#identity.require(account);
    return this.#audit.list(before, Math.min(limit, 1_000));
  }

  async knows(job: string): Promise<boolean> {
    return this.#jobs.get(job) !== null;
  }

  async holds(job: string, attempt: number): Promise<boolean> {
    const row = this.#jobs.get(job);
    return (
      row !== null &&
      row.attempt === attempt &&
      ["offered", "accepted", "running", "suspect"].includes(row.state)
    );
  }

  async held(job: string, attempt: number): Promise<HeldJob | null> {
    const request = (await this.holds(job, attempt)) ? this.#jobs.request(job) : null;
    if (request === null) return null;
    const { installation, repository, pool } = request;
    return { installation, repository, pool };
  }

  async mintCode(request: CodeRequest): Promise<{ code: string; expiresAt: number }> {
    this.#identity.require(request.account);
    return this.#enrolment.mint(this.env.ATTEMPT_KEY, this.env.GITHUB_HOST, request, Date.now());
  }

  async enrol(request: EnrolmentRequest): Promise<EnrolmentReply | { refused: string }> {
    const identity = this.#identity.known();
    if (identity === null) return { refused: "no code was minted for this account" };
    const specificationKeys = await this.#signing.publicKeys();
    const enrolled = this.#enrolment.enrol(this.env.ATTEMPT_KEY, identity, request, Date.now());
    if ("refused" in enrolled) return enrolled;
    const { runner, pool, class: name, repositories } = enrolled;
    return { runner, ...identity, pool, class: name, repositories, specificationKeys };
  }

  /** The account's runners, for the operator: several may have one name, their ids differ. */
  async runners(account: number): Promise<RunnerView[]> {
    this.#identity.require(account);
    return this.#desk
      .runners()
      .map(({ runner, name, publicKey, class: of, pool, repositories, ...rest }) => ({
        runner,
        name,
        key: publicKey,
        class: of,
        pool,
        repositories,
        online: rest.online,
        draining: rest.draining,
        slots: rest.slots,
        used: rest.used,
      }));
  }

  /**
   * Takes a runner out: its key opens nothing any more, its sockets are closed, its attempts are lost and offered to
   * others, and jobs that nobody else can take end as `no-runner`. False when it is not known (any more).
   */
  async retire(account: number, runner: string): Promise<boolean> {
    this.#identity.require(account);
    const now = Date.now();
    const removed = this.ctx.storage.transactionSync(() => this.#runners.remove(runner));
    if (removed === null) return false;
    this.#sockets.retire(runner);
    if (removed.stream !== null) this.#hearing.forget(runner, removed.stream);
    for (const job of this.#jobs.openOf(runner))
      this.#desk.apply(job.job, { kind: "absent", runner }, now);
    this.#desk.endImpossible(now);
    await this.#arm(now);
    this.#soon();
    return true;
  }

  /** A runner's control socket. Whoever cannot prove an enrolled key gets no socket. */
  override async fetch(request: Request): Promise<Response> {
    const identity = this.#identity.known();
    const connect = connectOf(request);
    if (request.headers.get("upgrade") !== "websocket")
      return new Response("a WebSocket is expected\n", { status: 426 });
    if (connect === null) return new Response("enrol first: `snowcat enrol`\n", { status: 401 });
    const runner = this.#runners.get(connect.runner);
    if (identity === null || runner === null || connect.account !== identity.account)
      return forbidden();
    if (!(await proves(connect, identity.host, runner.publicKey, Date.now()))) return forbidden();
    if (!this.#spend(`${connect.runner}/${connect.nonce}`, Date.now())) return forbidden();
    return openSocket(this.ctx, { runner: connect.runner, stream: null, renewedAt: Date.now() }, [
      connect.runner,
    ]).response;
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    try {
      this.#hearing.hear(socket, message, Date.now());
    } catch (error) {
      // The frame was rolled back as a whole.
      this.#jobs.reload();
      throw error;
    }
    await this.#arm(Date.now());
    this.#soon();
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    closeSocket(socket, code);
    const { runner, stream, renewedAt } = this.#sockets.read(socket);
    // Already known to be away: since an absence of this object, with more time to come back.
    const known = this.#runners.get(runner)?.online ?? false;
    if (stream !== null && known && this.#sockets.of(runner) === null)
      this.#runners.away(runner, awayUntil(renewedAt));
    await this.#arm(Date.now());
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.webSocketClose(socket, 1011);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    await this.#turn();
  }

  /** Cron's watchdog: does what a lost alarm should have done. */
  async wake(): Promise<{ version: number }> {
    this.#alarmAt = null;
    await this.#turn();
    return { version: this.#version };
  }

  /** Everything that is due, then the next alarm. */
  async #turn(): Promise<void> {
    const now = Date.now();
    try {
      this.#desk.expire(now);
      this.ctx.storage.sql.exec("DELETE FROM nonce WHERE expires_at <= ?", now);
      this.#jobs.purge(now - REMEMBERED);
      this.#audit.prune(now);
      const identity = this.#identity.known();
      if (identity !== null) await this.#offers.make(identity, now);
      await this.#outbox.deliver(now);
    } finally {
      await this.#arm(Date.now());
    }
  }

  /** Offers and news for Runs, without making the caller wait: a Run may call us while we call it. */
  #soon(): void {
    const identity: FleetIdentity | null = this.#identity.known();
    if (identity === null) return;
    const now = Date.now();
    const work = Promise.all([this.#offers.make(identity, now), this.#outbox.deliver(now)]).then(
      () => this.#arm(Date.now()),
    );
    this.ctx.waitUntil(work.catch((error: unknown) => console.error(`fleet: ${String(error)}`)));
  }

  /** One alarm for everything that waits; moved only to an earlier time. */
  async #arm(now: number): Promise<void> {
    const waits = [this.#desk.nextDue(now), this.#outbox.due()].filter((at) => at !== null);
    if (waits.length === 0) return;
    const at = Math.max(Math.min(...waits), now + 1);
    if (this.#alarmAt !== null && this.#alarmAt <= at && this.#alarmAt > now - 5_000) return;
    this.#alarmAt = at;
    await this.ctx.storage.setAlarm(at);
  }

  /** After the object was away its runners' sockets are gone: they get time to come back before a lease is judged. */
  #recover(now: number): void {
    for (const runner of this.#runners.all()) {
      if (runner.online && this.#sockets.of(runner.runner) === null)
        this.#runners.away(runner.runner, now + LEASE.reconnect);
    }
  }

  #spend(nonce: string, now: number): boolean {
    const { sql } = this.ctx.storage;
    if (sql.exec("SELECT 1 FROM nonce WHERE nonce = ?", nonce).toArray().length > 0) return false;
    sql.exec("INSERT INTO nonce (nonce, expires_at) VALUES (?, ?)", nonce, now + 2 * CLOCK_SKEW);
    return true;
  }
}

function forbidden(): Response {
  return new Response(
    "the runner is not enrolled here, its clock is wrong, or the request was used before\n",
    { status: 403 },
  );
}
