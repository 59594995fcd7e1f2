import { DurableObject } from "cloudflare:workers";
import type { Impact } from "../../../core/impact/index.ts";
import { cancelJob, finish, offered, started, stop } from "../../../core/run/index.ts";
import { type DataReply, type ToRun, RunFrame } from "../../../protocol/data.ts";
import type { JobKind } from "../../../protocol/specification.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import {
  type AttemptClaims,
  Channel,
  claimsOf,
  closeSocket,
  dataReply,
  dataText,
  openSocket,
  send,
} from "../../channel/index.ts";
import type { Environment } from "../../environment.ts";
import type { AttributeView, MachineTurn, RunContract, RunRequest, RunView } from "../contracts.ts";
import { migrate } from "../migrations.ts";
import { archive, attributesAfter, empty, impactOf } from "./archive.ts";
import { index, rememberTree, tell } from "./close.ts";
import { compare } from "./compare.ts";
import { tellGone } from "./configuration.ts";
import { commit, type Context } from "./context.ts";
import { advanceNeeds, endClaims, setAdrift } from "./exchange.ts";
import { jobNumber, refused, take } from "./frames.ts";
import { showDeployments } from "./deploy/deployments.ts";
import { lookAt, roll } from "./deploy/roll.ts";
import { confirmed, endRollout, heardTurn, isDeploying, isRolling } from "./deploy/turns.ts";
import { sayRefused, tellMachines } from "./deploy/words.ts";
import { endLate, look } from "./impact.ts";
import { cancel, enqueue, leasedBy } from "./jobs.ts";
import { tellKrops } from "./krops.ts";
import { prepare } from "./prepare.ts";
import { report } from "./report.ts";
import { leaseReady, recall, remember, replay, sweepOpen } from "./reuse.ts";
import { STEPS } from "./schema.ts";
import { tellSection } from "./section.ts";
import { Store } from "./store.ts";
import { type Task, Tasks } from "./tasks.ts";
import { viewOf } from "./view.ts";
import { watch } from "./watch.ts";

/** Attributes in one answer. */
const PAGE = 1_000;

/** Tasks of one alarm; the next takes over, so that none lasts longer than the platform lets it. */
const SHIFT = 500;

/** Each answers when to be called again, null when there is nothing left of it; `tries` says how often it has failed. */
const WORK: Record<Task, (context: Context, tries: number) => Promise<number | null>> = {
  prepare,
  replay,
  sweep: sweepOpen,
  cancel,
  enqueue,
  recall,
  compare,
  impact: look,
  section: tellSection,
  aside: endLate,
  lease: leaseReady,
  needs: advanceNeeds,
  report,
  gone: tellGone,
  krops: tellKrops,
  remember,
  tree: rememberTree,
  tell,
  index,
  archive,
  empty,
  rollout: roll,
  words: tellMachines,
  deployments: showDeployments,
  watch,
};

/** One run: what should be done, and the final verdict of each job. A shell: loads rows, asks core, writes rows. */
export class Run extends DurableObject<Environment> implements RunContract {
  readonly #context: Context;
  readonly #channel: Channel<ToRun>;
  /** For every attempt that is connected, when the transaction that it follows from is over. */
  #news: DataReply[] = [];
  /** The clock, ms. Tests set another. */
  clock: () => number = () => Date.now();

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    migrate(ctx.storage, STEPS);
    this.#channel = new Channel(ctx.storage, RunFrame, dataReply);
    this.#context = {
      env,
      storage: ctx.storage,
      store: new Store(ctx.storage.sql),
      tasks: new Tasks(ctx.storage.sql),
      now: () => this.clock(),
      tell: (body) => void this.#news.push(body),
    };
  }

  async start(request: RunRequest): Promise<void> {
    const { store, tasks } = this.#context;
    const { host, repository } = request.identity;
    if (host !== this.env.GITHUB_HOST || !request.run.startsWith(`${repository.id}-`)) {
      throw new Error(
        `run ${request.run} does not belong to repository ${repository.id} of ${host}`,
      );
    }
    const known = store.header();
    if (known !== null) {
      if (known.id !== request.run)
        throw new Error(`this object is run ${known.id}, not ${request.run}`);
      return;
    }
    this.ctx.storage.transactionSync(() => {
      const now = this.clock();
      store.create(request, now);
      tasks.at("report", now);
      tasks.at("prepare", now);
      tasks.at("index", now);
    });
    await this.#arm();
  }

  async offered(
    job: string,
    attempt: number,
    runner: string,
    exchange: string | null,
  ): Promise<void> {
    await this.#job(
      job,
      (number, slice) => offered(slice, number, attempt, runner),
      (number) => {
        endClaims(this.#context, number, attempt);
        const { store } = this.#context;
        const own = store.job(number);
        if (own?.kind === "evaluate" && own.aside === null) store.set({ exchange });
      },
    );
  }

  async started(job: string, attempt: number, runner: string): Promise<void> {
    await this.#job(job, (number, slice) => started(slice, number, attempt, runner));
  }

  async adrift(job: string, attempt: number): Promise<void> {
    const number = this.#own(job);
    if (number === null) throw new Error(`job ${job} is not of this run`);
    this.ctx.storage.transactionSync(() => setAdrift(this.#context, { job: number, attempt }));
    this.#tellNews();
  }

  async finished(
    job: string,
    attempt: number,
    verdict: Verdict,
    digest: string,
  ): Promise<{ applied: "applied" | "known" | "refused" }> {
    const { store } = this.#context;
    const number = this.#own(job);
    if (number === null) return { applied: "refused" };
    let applied: "applied" | "known" | "refused" = "refused";
    commit(this.#context, () => {
      const slice = store.slice({
        jobs: store.jobs("number = ?", number),
        ...leasedBy(this.#context, number),
      });
      const done = finish(slice, number, attempt, verdict, digest, this.clock());
      applied = done.outcome;
      if (applied === "applied") endClaims(this.#context, number, null);
      return done.changes;
    });
    this.#tellNews();
    await this.#arm();
    return { applied };
  }

  async supersede(by: string, yields: boolean): Promise<void> {
    if (yields && this.#context.store.header() !== null) this.#context.store.set({ yields: 1 });
    await this.#stop({ kind: "superseded", by: by.slice(0, 256) });
  }

  async cancel(by: string): Promise<void> {
    await this.#stop({ kind: "cancelled", by: by.slice(0, 256) });
  }

  async cancelJobs(of: JobKind, by: string): Promise<void> {
    const { store } = this.#context;
    if (store.header() === null) return;
    for (const { number } of store.jobs("kind = ? AND state <> 'finished'", of))
      commit(
        this.#context,
        () =>
          cancelJob(
            store.slice({
              jobs: store.jobs("number = ?", number),
              ...leasedBy(this.#context, number),
            }),
            number,
            by.slice(0, 256),
            this.clock(),
          ),
        () => endClaims(this.#context, number, null),
      );
    this.#tellNews();
    await this.#arm();
  }

  async turn(told: MachineTurn): Promise<void> {
    if (this.#context.store.header() === null) return;
    this.ctx.storage.transactionSync(() => heardTurn(this.#context, told));
    await this.#arm();
  }

  async look(machine: string): Promise<void> {
    if (this.#context.store.header() === null) return;
    lookAt(this.#context, machine);
    await this.#arm();
  }

  async deploying(machine: string): Promise<{ goesOn: boolean }> {
    return Promise.resolve({ goesOn: isDeploying(this.#context, machine) });
  }

  /** Whoever may confirms a deploy that waits for it. */
  async confirm(by: number): Promise<void> {
    if (this.#context.store.header() === null) return;
    this.ctx.storage.transactionSync(() => confirmed(this.#context, by));
    await this.#arm();
  }

  async wake(): Promise<{ version: number }> {
    await this.#arm();
    return { version: STEPS.length };
  }

  view(): Promise<RunView | null> {
    return Promise.resolve(viewOf(this.#context.store));
  }

  attributes(after: number, limit: number): Promise<AttributeView[]> {
    return attributesAfter(this.#context, after, Math.min(limit, PAGE));
  }

  impact(): Promise<Impact | null> {
    return impactOf(this.#context);
  }

  /** An attempt's channel: the Worker has verified the token, whose claims are compared here. */
  override async fetch(request: Request): Promise<Response> {
    const claims = claimsOf(request);
    const run = this.#context.store.header();
    const own =
      run !== null &&
      claims.host === run.identity.host &&
      claims.account === run.identity.account.id &&
      claims.repository === run.identity.repository.id &&
      claims.run === run.id;
    if (!own || this.#own(claims.job) === null)
      return new Response("not this run's attempt", { status: 403 });
    const { response, socket } = openSocket(this.ctx, { claims });
    this.#channel.opened(socket, streamOf(claims));
    return response;
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    // Written by `fetch` above.
    const { claims } = socket.deserializeAttachment() as { claims: AttemptClaims };
    const answers: DataReply[] = [];
    this.#news = [];
    const received = this.#channel.receive(socket, streamOf(claims), message, {
      allow: ({ body, job, attempt }) => {
        const foreign =
          (job !== null && job !== claims.job) || (attempt !== null && attempt !== claims.attempt);
        const reason = foreign
          ? "the frame names another attempt than its channel"
          : refused(this.#context, claims, body);
        if (reason === null) return null;
        const { runner } = claims;
        sayRefused(this.#context, {
          by: "run",
          runner,
          job: claims.job,
          attempt: claims.attempt,
          what: "stale",
          reason: `${body.kind}: ${reason}`,
          digest: null,
        });
        return { stale: reason };
      },
      commit: ({ body }) => take(this.#context, claims, body, (reply) => answers.push(reply)),
    });
    if (received === "committed") {
      for (const reply of answers) send(socket, dataText(reply));
      this.#tellNews();
    }
    await this.#arm();
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    closeSocket(socket, code);
  }

  /** Does what is due, one thing at a time; a task that fails is tried again by itself, the others go on. */
  override async alarm(): Promise<void> {
    const { tasks } = this.#context;
    for (let n = 0; n < SHIFT; n += 1) {
      const taken = tasks.take(this.clock());
      if (taken === null) break;
      try {
        tasks.done(taken, await WORK[taken.task](this.#context, taken.tries));
      } catch (error) {
        const run = this.#context.store.header()?.id;
        console.error(
          JSON.stringify({
            event: "run-task-failed",
            run,
            task: taken.task,
            tries: taken.tries + 1,
            error:
              error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error),
          }),
        );
        tasks.failed(taken, this.clock());
      }
    }
    await this.#arm();
  }

  async #job(
    job: string,
    step: (number: number, slice: Parameters<typeof offered>[0]) => ReturnType<typeof offered>,
    also: (number: number) => void = () => {},
  ): Promise<void> {
    const { store } = this.#context;
    const number = this.#own(job);
    if (number === null) throw new Error(`job ${job} is not of this run`);
    commit(
      this.#context,
      () => step(number, store.slice({ jobs: store.jobs("number = ?", number) })),
      () => also(number),
    );
    this.#tellNews();
    await this.#arm();
  }

  #tellNews(): void {
    const news = this.#news.splice(0).map((body) => dataText(body));
    if (news.length === 0) return;
    for (const socket of this.ctx.getWebSockets()) for (const text of news) send(socket, text);
  }

  async #stop(verdict: Extract<Verdict, { kind: "cancelled" | "superseded" }>): Promise<void> {
    const { store } = this.#context;
    if (store.header() === null) return;
    // What has begun at machines is brought to its end.
    if (isRolling(this.#context)) {
      this.ctx.storage.transactionSync(() => endRollout(this.#context, verdict));
      return await this.#arm();
    }
    commit(this.#context, () =>
      stop(store.slice({ jobs: store.jobs("state <> 'finished'") }), verdict),
    );
    await this.#arm();
  }

  #own(job: string): number | null {
    const run = this.#context.store.header();
    return run !== null && job.startsWith(`${run.id}.`) ? jobNumber(job) : null;
  }

  async #arm(): Promise<void> {
    const next = this.#context.tasks.next();
    const armed = await this.ctx.storage.getAlarm();
    if (next !== null && (armed === null || next < armed))
      await this.ctx.storage.setAlarm(Math.max(next, Date.now()));
  }
}

function streamOf({ job, attempt }: AttemptClaims): string {
  return `${job}/${attempt}`;
}
