import type { Octokit } from "@octokit/rest";
import { DurableObject } from "cloudflare:workers";
import { type Action, plan, settle } from "../../../core/writer/index.ts";
import type { DeliveryAttempt } from "../../../core/sweep/missed.ts";
import type { Closing } from "../../../core/sweep/orphans.ts";
import type { RunId } from "../../../protocol/identifiers.ts";
import type { Environment } from "../../environment.ts";
import {
  commit,
  deliveries,
  entries,
  file,
  isActive,
  pull,
  redeliver,
  role,
  standing,
  visibility,
} from "../../github/client/index.ts";
import {
  type AskedApp,
  COMMENT,
  type DesiredCheck,
  type DesiredWord,
  type MintedInputs,
  type Named,
  type PolicySource,
  type PullState,
  type Read,
  type Standing,
  type StandingOf,
  type WriterContract,
} from "../contracts.ts";
import { migrate } from "../migrations.ts";
import { Effects } from "./effects.ts";
import { GitHub } from "./github.ts";
import { mintInputs } from "./inputs.ts";
import { STEPS } from "./schema.ts";
import { send } from "./send.ts";
import { Visibility } from "./visibility.ts";

/** How long a read that failed is best left alone (ms). */
const READ_RETRY = 2_000;
/** One alarm works at most this long, then hands over to the next (ms): the platform ends it at 15 minutes. */
const SHIFT = 5 * 60_000;

/** Everything one installation says to GitHub: what it should show, what it does show, and every read. */
export class Writer extends DurableObject<Environment> implements WriterContract {
  readonly #effects: Effects;
  readonly #github: GitHub;
  readonly #flying = new Set<Promise<void>>();
  /** Resolved when a wish comes while the alarm waits for answers: other resources need not wait for them. */
  #news: PromiseWithResolvers<void> | null = null;
  readonly #visibility = new Visibility();
  /** The clock, ms. Tests set another. */
  clock: () => number = () => Date.now();

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    migrate(ctx.storage, STEPS);
    this.#effects = new Effects(ctx.storage.sql);
    const now = () => this.clock();
    this.#effects.recover(now());
    this.#github = new GitHub(env, this.#effects, now, installationOf(ctx, env), (request) => {
      // What is not there is an answer like another: most repositories have no configuration.
      if (request.status === null || (request.status >= 400 && request.status !== 404))
        console.warn(JSON.stringify({ event: "github-request", object: ctx.id.name, ...request }));
    });
  }

  async wake(): Promise<{ version: number }> {
    this.#effects.forget(this.clock());
    await this.#arm();
    return { version: STEPS.length };
  }

  async desire(checks: DesiredCheck[]): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      for (const check of checks) this.#effects.desireCheck(check, this.clock());
    });
    this.#news?.resolve();
    await this.#arm();
  }

  async say(what: DesiredWord[]): Promise<void> {
    for (const one of what)
      if ("body" in one && one.body.length > COMMENT)
        throw new Error(`${one.resource} has ${one.body.length} characters, more than ${COMMENT}`);
    this.ctx.storage.transactionSync(() => {
      for (const one of what) this.#effects.desire(one, this.clock());
    });
    this.#news?.resolve();
    await this.#arm();
  }

  pull(of: Named, number: number): Promise<Read<PullState>> {
    return this.#read(of.id, (octokit) => pull(octokit, of, number));
  }

  commit(of: Named, sha: string): ReturnType<WriterContract["commit"]> {
    return this.#read(of.id, (octokit) => commit(octokit, of, sha));
  }

  file(
    of: Named,
    path: string,
    ref: string,
    expected: string | null = null,
  ): Promise<Read<PolicySource>> {
    return this.#read(of.id, (octokit) => file(octokit, of, path, ref, expected));
  }

  entries(of: Named, path: string, sha: string): ReturnType<WriterContract["entries"]> {
    return this.#read(of.id, (octokit) => entries(octokit, of, path, sha));
  }

  role(of: Named, login: string, id = 0): Promise<Read<string>> {
    return this.#read(of.id, (octokit) => role(octokit, of, login, id));
  }

  standing(repository: Named, of: StandingOf): Promise<Read<Standing>> {
    return this.#read(repository.id, (octokit) => standing(octokit, repository, of));
  }

  /** Where the App may not read members nobody is in a team. */
  async teams(
    organization: string,
    slugs: readonly string[],
    login: string,
  ): Promise<Read<string[]>> {
    const found: string[] = [];
    for (const slug of slugs) {
      const read = await this.#read(
        null,
        (octokit) => isActive(octokit, organization, slug, login),
        () => ({ ok: true, value: false }),
      );
      if (!read.ok && !read.missing) return read;
      if (read.ok && read.value) found.push(slug);
    }
    return { ok: true, value: found };
  }

  visibility(repository: number): Promise<Read<{ private: boolean; owner: string; name: string }>> {
    return this.#visibility.read(repository, this.clock(), () =>
      this.#read(null, (octokit) => visibility(octokit, repository)),
    );
  }

  cloneToken(repository: number): Promise<{ token: string; expiresAt: number }> {
    return this.#github.mintFor({ repository });
  }

  inputToken(own: string, names: readonly string[]): Promise<MintedInputs> {
    return mintInputs((only) => this.#github.mintFor(only), own, names);
  }

  async turning(before: number, limit: number, turn: number): Promise<RunId[]> {
    return this.#effects.turning(before, limit, turn);
  }

  async closeAll(run: RunId, closing: Closing): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      for (const check of this.#effects.turningOf(run))
        this.#effects.desireCheck(
          {
            ...check,
            ...closing,
            version: check.version + 1,
            status: "completed",
            text: null,
            annotations: [],
            actions: [],
            completedAt: this.clock(),
          },
          this.clock(),
        );
    });
    await this.#arm();
  }

  async resume(): Promise<void> {
    this.#effects.unpark(this.clock());
    await this.#arm();
  }

  deliveries(
    cursor: string | null,
  ): Promise<AskedApp<{ attempts: DeliveryAttempt[]; next: string | null }>> {
    return this.#github.askAsApp((octokit) => deliveries(octokit, cursor));
  }

  redeliver(delivery: number): Promise<AskedApp<null>> {
    return this.#github.askAsApp((octokit) => redeliver(octokit, delivery).then(() => null));
  }

  async app(): Promise<{ id: number; slug: string }> {
    const { data } = await this.#github.asApp((octokit) => octokit.rest.apps.getAuthenticated());
    if (data === null) throw new Error("GitHub knows no App by this key");
    return { id: data.id, slug: data.slug ?? data.name };
  }

  /** Sends what may be sent now, up to eight at once, until nothing is left that is due. */
  override async alarm(): Promise<void> {
    const until = this.clock() + SHIFT;
    for (;;) {
      const actions = this.clock() < until ? this.#start() : [];
      for (const action of actions) {
        const flight: Promise<void> = this.#carryOut(action).finally(() =>
          this.#flying.delete(flight),
        );
        this.#flying.add(flight);
      }
      if (this.#flying.size === 0) break;
      this.#news = Promise.withResolvers<void>();
      await Promise.race([...this.#flying, this.#news.promise]);
    }
    await this.#arm();
  }

  /** What the plan sends now, marked as on its way before anything leaves. */
  #start(): Action[] {
    return this.ctx.storage.transactionSync(() => {
      const now = this.clock();
      this.#effects.inheritLate();
      const rows = this.#effects.open();
      const { actions, gate } = plan(rows, now, this.#effects.gate(now));
      if (actions.length === 0) return [];
      this.#effects.saveGate(gate);
      for (const action of actions) {
        const row = rows.find(({ resource }) => resource === action.resource);
        if (row) this.#effects.save({ ...row, state: "sending" }, null);
      }
      return actions;
    });
  }

  async #carryOut(action: Action): Promise<void> {
    const before = this.#effects.get(action.resource);
    if (before === null) return;
    const sent = await send(
      this.#github,
      action,
      before.shownId,
      this.#effects.body(action.resource),
    ).catch((error: unknown) => {
      console.error(
        JSON.stringify({
          event: "writer-action-failed",
          action,
          error: error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error),
        }),
      );
      return { outcome: { kind: "unknown" } as const, problem: String(error) };
    });
    // Wishes may have come meanwhile: the row is read again, and only what this request has shown is written.
    const row = this.#effects.get(action.resource);
    if (row === null) return;
    this.#effects.save(settle(row, action, sent.outcome, this.clock()), sent.problem);
    if (sent.outcome.kind === "refused") {
      console.error(
        JSON.stringify({
          event: "effect-refused",
          resource: action.resource,
          action: action.kind,
          problem: sent.problem,
        }),
      );
    }
  }

  /** @param repository the id of the one that it is about, if any */
  async #read<T>(
    repository: number | null,
    request: (octokit: Octokit) => Promise<T>,
    refused: (reason: string) => Read<T> = (reason) => ({
      ok: false,
      missing: false,
      retryAfter: 60_000,
      reason,
    }),
  ): Promise<Read<T>> {
    const pause = this.#github.pausedUntil - this.clock();
    if (pause > 0)
      return {
        ok: false,
        missing: false,
        retryAfter: pause,
        reason: "GitHub asked this installation to wait",
      };
    const answer = await this.#github.ask(repository, request);
    if (answer.ok) return answer;
    const { failure } = answer;
    switch (failure.kind) {
      case "missing":
        return { ok: false, missing: true };
      case "limited":
        return {
          ok: false,
          missing: false,
          retryAfter: Math.max(READ_RETRY, this.#github.pausedUntil - this.clock()),
          reason: failure.reason,
        };
      case "unauthorized":
        return {
          ok: false,
          missing: false,
          retryAfter: 60_000,
          reason: "GitHub does not take the App's token",
        };
      case "refused":
        return refused(`${failure.status}: ${failure.reason}`);
      case "unknown":
        return { ok: false, missing: false, retryAfter: READ_RETRY, reason: failure.reason };
    }
  }

  /** The alarm at the next thing to send; requests on their way are waited for by the alarm that runs. */
  async #arm(): Promise<void> {
    const now = this.clock();
    const { actions, wakeAt } = plan(this.#effects.open(), now, this.#effects.gate(now));
    const next = actions.length > 0 ? now : wakeAt;
    const armed = await this.ctx.storage.getAlarm();
    if (next !== null && (armed === null || next < armed))
      await this.ctx.storage.setAlarm(Math.max(next, Date.now()));
  }
}

/**
 * The object's name is `<host>/installation/<id>`; nothing else names the installation, so nothing can mix it up. An
 * object that an alarm woke may not know its name: the first call has left the id in a row.
 */
function installationOf(ctx: DurableObjectState, env: Environment): number {
  const { sql } = ctx.storage;
  const [known] = sql.exec<{ installation: number }>("SELECT installation FROM identity").toArray();
  if (known) return known.installation;
  const prefix = `${env.GITHUB_HOST}/installation/`;
  const id = ctx.id.name?.startsWith(prefix)
    ? Number(ctx.id.name.slice(prefix.length))
    : Number.NaN;
  // 0 speaks for the App alone, which may be installed nowhere.
  if (!Number.isSafeInteger(id) || id < 0)
    throw new Error(`a Writer is named ${prefix}<id>, not ${ctx.id.name ?? "anonymously"}`);
  sql.exec("INSERT INTO identity (one, installation) VALUES (1, ?)", id);
  return id;
}
