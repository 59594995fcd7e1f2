import { availableParallelism } from "node:os";
import type { Sink } from "../../agent/sink.ts";
import type { Workspace } from "../launch.ts";
import type { NixFacts } from "../version.ts";
import type { RunTalk } from "../../agent/run-talk.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Attest } from "../../provenance/attest.ts";
import type { Graph } from "../store/derivations.ts";
import { showDerivations } from "../store/derivations.ts";
import { type PathInfo, pathInfos } from "../store/path-info.ts";
import { toBeBuilt } from "../store/to-be-built.ts";
import { invalidPaths } from "../store/validity.ts";
import type { BatchEnd, BatchOptions } from "./batch.ts";
import { realise } from "./batch.ts";
import type { BuildLimits, Cause, RunMemory } from "./failure.ts";
import { ownVerdict } from "./failure.ts";
import { oomKills } from "./kernel.ts";
import { fetchCause } from "./fetch.ts";
import { lacking } from "./lacking.ts";
import type { Goal } from "./ledger.ts";
import { Ledger, outputsOf } from "./ledger.ts";
import { BuildLogs } from "./logs.ts";
import { outcome, unexplainedCause } from "./outcome.ts";
import { returned } from "./needs.ts";
import { Partners } from "./partners.ts";
import { need, within } from "./plan.ts";
import { Pace } from "./pace.ts";
import type { Work } from "./queue.ts";
import { Queue } from "./queue.ts";
import { TAIL } from "./tail.ts";

export interface BuildOptions {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  readonly goals: readonly Goal[];
  /** The goals' derivations, where they were read already. */
  readonly known?: Graph | null;
  readonly limits: BuildLimits;
  readonly memory: RunMemory;
  readonly sink: Pick<Sink, "results" | "log">;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Builds side by side; the number of processors unless given. */
  readonly slots?: number;
  /** Of the kernel of this machine unless given. */
  readonly oomKills?: BatchOptions["oomKills"];
  readonly clock?: BatchOptions["clock"];
  /** Signs what is built; nothing is signed without. */
  readonly attest?: Attest;
  /** The Run; without it this runner is alone, and what it cannot build nobody can. */
  readonly talk?: RunTalk;
  /** Shared with the other runners of the run. */
  readonly exchange?: Exchange | null;
  /** Lines for people, for the job's own log. */
  readonly say: (line: string) => void;
}

/** How often a derivation is given to a batch again that something else interrupted. */
const TRIES = 3;

/** One build job: what to build next, and what the end of each process means. */
export class Session {
  readonly #options: BuildOptions;
  readonly #slots: number;
  readonly #logs: BuildLogs;
  readonly #ledger: Ledger;
  readonly #queue: Queue;
  readonly #tries = new Map<string, number>();
  /** To be tried alone; and those that have been. */
  readonly #suspects = new Set<string>();
  readonly #triedAlone = new Set<string>();
  /** The derivations of attributes: their failures are results. */
  readonly #goals: ReadonlySet<string>;
  #running = 0;
  readonly #pace = new Pace();
  /** What goes on beside the builds. */
  readonly #asides = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Null where no other runner builds for the same run. */
  readonly #partners: Partners | null;

  constructor(options: BuildOptions) {
    this.#options = options;
    this.#goals = new Set(options.goals.map(({ drv }) => drv));
    this.#slots = options.slots ?? Math.max(1, availableParallelism());
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#logs = new BuildLogs(options.sink);
    this.#ledger = new Ledger(options);
    this.#queue = new Queue(this.#slots);
    const { exchange, talk, memory } = options;
    this.#partners =
      exchange && talk
        ? new Partners({ exchange, talk }, this.#signal, () => memory.claims.wake())
        : null;
  }

  /** Finds what is there already, and the graph of what is not. */
  async prepare(): Promise<void> {
    const { workspace, facts, signal, goals, say, memory, now } = this.#options;
    const ledger = this.#ledger;
    for (const drv of memory.secondTries.due(now())) memory.failures.delete(drv);
    const own =
      this.#options.known ??
      (await showDerivations(workspace, facts.version, ledger.open(), false, signal));
    const outputs = outputsOf(own.values());
    const there = await pathInfos(workspace, outputs, signal);
    ledger.begin(own, without(outputs, there), new Map());
    ledger.found(there);
    const reused = ledger.open().filter((drv) => !ledger.isMissing(drv));
    await this.#partners?.push(outputsOf(reused.flatMap((drv) => ledger.node(drv) ?? [])));
    await ledger.succeed(reused, true);
    const missing = ledger.open();
    say(
      `${goals.length} attributes: ${reused.length} derivations are built already, ${missing.length} are to be built`,
    );
    if (missing.length === 0) return;
    const { graph, invalid } = await this.#closure(own, missing, there);
    const whole = need(missing, graph, (path) => !invalid.has(path));
    // What a cache has is not built; Nix fetches it when it builds what stands on it.
    const { below } = facts.substituters
      ? within(whole, new Set([...missing, ...(await toBeBuilt(workspace, missing, signal))]))
      : whole;
    ledger.begin(graph, invalid, below);
    await this.#meanwhile(missing.filter((drv) => !ledger.isMissing(drv)));
    if (!facts.remoteBuilders) await this.#lacked();
  }

  /** Another run has built these since they were looked at first. */
  async #meanwhile(drvs: readonly string[]): Promise<void> {
    if (drvs.length === 0) return;
    const ledger = this.#ledger;
    const paths = outputsOf(drvs.flatMap((drv) => ledger.node(drv) ?? []));
    ledger.found(await pathInfos(this.#options.workspace, paths, this.#signal));
    await this.#partners?.push(paths);
    await ledger.succeed(drvs, true);
  }

  /** What is missing, with everything that it is built from, and which outputs of that are not there. */
  async #closure(
    own: Graph,
    missing: readonly string[],
    there: ReadonlyMap<string, unknown>,
  ): Promise<{ graph: Graph; invalid: ReadonlySet<string> }> {
    const { workspace, facts, signal } = this.#options;
    // Where the goals stand on nothing but each other, all of it is known.
    const inputs = [...own.values()].flatMap((node) => [...node.inputs.keys()]);
    if (inputs.every((drv) => own.has(drv)))
      return { graph: own, invalid: without(outputsOf(own.values()), there) };
    const graph = await showDerivations(workspace, facts.version, missing, true, signal);
    return { graph, invalid: await invalidPaths(workspace, outputsOf(graph.values()), signal) };
  }

  /** What this runner cannot build: another one has put it in the exchange, or is to, or nobody can. */
  async #lacked(): Promise<void> {
    const { facts, talk, say } = this.#options;
    const ledger = this.#ledger;
    const find = (): Map<string, string[]> =>
      new Map(
        [...ledger.need().below.keys()].flatMap((drv) => {
          const lacks = lacking(ledger.node(drv), facts);
          return lacks.length === 0 ? [] : [[drv, lacks] as const];
        }),
      );
    let lacked = find();
    if (lacked.size === 0) return;
    if (this.#partners !== null && (await this.#fetch([...lacked.keys()])).length > 0)
      lacked = find();
    const given: string[] = [];
    if (talk !== undefined) {
      const goals = ledger.open().filter((drv) => !lacked.has(drv));
      for (const frame of returned(goals, ledger.need(), lacked, (drv) => ledger.node(drv))) {
        await this.#partners?.pushDerivations(frame.needed.map(({ drv }) => drv));
        await talk.needs({ exchange: this.#partners !== null, ...frame });
        given.push(...frame.goals.map(({ drv }) => drv));
      }
      ledger.giveBack(given);
      if (given.length > 0)
        say(`${given.length} derivations need what this runner cannot build: they are given back`);
    }
    for (const [drv, missing] of lacked)
      if (talk === undefined || ledger.isOpen(drv))
        ledger.fail(drv, { kind: "no-runner", missing }, "");
  }

  /** Brings what the exchange has of these or of what they need. */
  async #fetch(drvs: readonly string[]): Promise<string[]> {
    const { workspace } = this.#options;
    const ledger = this.#ledger;
    if (this.#partners === null) return [];
    const paths = await this.#partners.fetch(drvs, ledger.need(), (drv) => ledger.node(drv));
    ledger.found(await pathInfos(workspace, paths, this.#signal));
    return paths;
  }

  async run(): Promise<void> {
    const { claims } = this.#options.memory;
    const onAbort = (): void => claims.wake();
    this.#signal.addEventListener("abort", onAbort);
    try {
      await this.#ledger.settleBlocked();
      this.#plan(this.#ledger.open());
      await Promise.all(Array.from({ length: this.#slots }, () => this.#worker()));
      this.#signal.throwIfAborted();
    } finally {
      await Promise.all(this.#asides);
      this.#signal.removeEventListener("abort", onAbort);
      this.#partners?.close();
      await this.#logs.closeAll();
    }
    const left = this.#ledger.open();
    if (left.length > 0)
      throw new Error(`${left.length} derivations were left without a verdict, such as ${left[0]}`);
  }

  #plan(goals: readonly string[]): void {
    this.#queue.add(this.#ledger.buildable(goals), this.#ledger.need());
  }

  async #worker(): Promise<void> {
    const { claims } = this.#options.memory;
    for (;;) {
      if (this.#signal.aborted) return;
      const work = this.#queue.next(
        this.#ledger.need(),
        this.#suspects,
        this.#running === 0,
        this.#pace.worth(),
        (members) => !this.#partners?.hold(members) && claims.take(members),
      );
      if (work === null) {
        if (this.#running === 0 && this.#asides.size === 0 && this.#queue.isEmpty) return;
        await claims.changed();
        continue;
      }
      this.#running += 1;
      try {
        await this.#together(work);
      } catch (error) {
        // The others' processes end too, before anybody hears of it.
        this.#stop.abort(error);
      } finally {
        this.#running -= 1;
        claims.give(work.members);
      }
    }
  }

  /** Builds it, unless another runner does. Whoever waits for a claim of ours finds the outputs, or the failure. */
  async #together(work: Work): Promise<void> {
    const { memory, limits, talk } = this.#options;
    if (this.#partners === null) return this.#build(work);
    const taken = await this.#partners.take(work.members);
    if (!taken.granted) {
      for (const failure of taken.failures) this.#ledger.learn(failure);
      await this.#ledger.settleBlocked();
      return this.#plan([...work.drvs, ...work.after]);
    }
    const before = new Set(memory.failures.keys());
    await this.#build(work);
    const failures = work.members
      .filter((drv) => !before.has(drv) && !this.#goals.has(drv))
      .flatMap((drv) => memory.failures.get(drv) ?? [])
      .map((failure) => ({ drv: failure.drv, verdict: ownVerdict(failure, limits) }));
    if (failures.length > 0) await talk?.failed(failures);
    await taken.release();
  }

  async #build({ drvs: planned, after, jobs }: Work): Promise<void> {
    const { workspace, limits, now, say, clock } = this.#options;
    const ledger = this.#ledger;
    const signal = this.#signal;
    if ((await this.#fetch(planned)).length > 0) {
      const came = [...planned, ...after].filter((drv) => ledger.isOpen(drv));
      await ledger.succeed(new Set(came.filter((drv) => !ledger.isMissing(drv))), true);
    }
    const drvs = (await this.#stillWanted(planned)).filter((drv) => ledger.isMissing(drv));
    if (drvs.length === 0) return this.#plan(after);
    const end = await realise({
      workspace,
      drvs,
      jobs,
      limits,
      signal,
      now,
      oomKills: this.#options.oomKills ?? oomKills,
      ...(clock === undefined ? {} : { clock }),
      onLine: (drv, line) => this.#logs.line(drv, line),
      onNotice: (text) => say(text),
    });
    if (signal.aborted) return;
    const touched = new Set([...drvs, ...end.watch.builds.keys()]);
    const paths = outputsOf([...touched].flatMap((drv) => ledger.node(drv) ?? []));
    this.#pace.took(end.watch.builds.size, end.result.durationMs / 1_000);
    const there = await pathInfos(workspace, paths, signal);
    ledger.found(there);
    if (end.result.exitCode !== 0 || this.#partners !== null) {
      await this.#settle(drvs, after, end, there);
      return this.#plan([...drvs, ...after]);
    }
    // All of it is there: the next process need not wait until everybody has been told.
    this.#plan(after);
    this.#aside(async () => {
      await this.#settle(drvs, after, end, there);
      this.#plan(drvs);
    });
  }

  /** Goes on beside what is built; the session does not end before it. */
  #aside(work: () => Promise<void>): void {
    const aside = work()
      .catch((error: unknown) => this.#stop.abort(error))
      .finally(() => {
        this.#asides.delete(aside);
        this.#options.memory.claims.wake();
      });
    this.#asides.add(aside);
  }

  /** What came out of a batch: told of the goals that it settled. */
  async #settle(
    drvs: readonly string[],
    after: readonly string[],
    end: BatchEnd,
    there: ReadonlyMap<string, PathInfo>,
  ): Promise<void> {
    const { now } = this.#options;
    const ledger = this.#ledger;
    // Before anybody is told that it is built.
    await this.#partners?.push([...there.keys()]);
    for (const build of end.watch.builds.values())
      ledger.took(build.drv, ((build.endedAt ?? now()) - build.startedAt) / 1_000, build.printed);
    await this.#logs.close(end.watch.builds.keys());
    await this.#conclude(drvs, after, end);
  }

  /** Without what another job of the run has found out about since it was planned. */
  async #stillWanted(drvs: readonly string[]): Promise<string[]> {
    const { failures } = this.#options.memory;
    const goals = new Set(drvs.filter((drv) => this.#ledger.isOpen(drv)));
    await this.#ledger.settleBlocked();
    return drvs.filter((drv) => (goals.has(drv) ? this.#ledger.isOpen(drv) : !failures.has(drv)));
  }

  /** What a batch's end means for its goals and for those that waited for it. */
  async #conclude(drvs: readonly string[], after: readonly string[], end: BatchEnd): Promise<void> {
    const ledger = this.#ledger;
    const { memory, now } = this.#options;
    const fail = (drv: string, told: Cause): void => {
      const log = tailOf(end.watch.builds.get(drv)?.tail.toString() ?? "", told);
      const cause = fetchCause(ledger.node(drv), told, log);
      if (cause.kind === "infrastructure" && !memory.failures.has(drv))
        memory.secondTries.note(drv, now());
      ledger.fail(drv, cause, log);
    };
    const { failed, again, unexplained } = outcome(
      end,
      drvs,
      (drv) => ledger.node(drv) !== undefined && ledger.isMissing(drv),
      (drv) => lacking(ledger.node(drv), this.#options.facts).length > 0,
    );
    for (const [drv, cause] of failed) fail(drv, cause);
    const there = [...drvs, ...after].filter((drv) => ledger.isOpen(drv) && !ledger.isMissing(drv));
    await ledger.succeed(new Set(there), false);
    const alone = drvs.length === 1;
    for (const drv of alone ? drvs : []) {
      if (this.#suspects.delete(drv)) this.#triedAlone.add(drv);
    }
    for (const drv of [...again, ...unexplained]) {
      const tries = (this.#tries.get(drv) ?? 0) + 1;
      this.#tries.set(drv, tries);
      if (again.includes(drv) && tries <= TRIES) continue;
      if (this.#triedAlone.has(drv)) fail(drv, unexplainedCause(end));
      else this.#suspects.add(drv);
    }
    await ledger.settleBlocked();
  }
}

function without(paths: readonly string[], there: ReadonlyMap<string, unknown>): Set<string> {
  return new Set(paths.filter((path) => !there.has(path)));
}

/** The last lines of a log; what Nix says where the log does not tell stands below them. */
function tailOf(printed: string, cause: Cause): string {
  const said = "said" in cause ? cause.said : undefined;
  if (said === undefined) return printed;
  return `${printed}${printed === "" ? "" : "\n"}${said}`.slice(-TAIL.characters);
}
