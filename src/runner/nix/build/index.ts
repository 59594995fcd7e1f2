import { availableParallelism } from "node:os";
import type { AttributeResult } from "../../../protocol/attribute.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import type { Sink } from "../../agent/sink.ts";
import type { Workspace } from "../launch.ts";
import { describeLaunch } from "../launch.ts";
import { shorten } from "../log/clean.ts";
import type { NixFacts } from "../version.ts";
import type { Graph, GraphNode } from "../store/derivations.ts";
import { showDerivations } from "../store/derivations.ts";
import { invalidPaths } from "../store/validity.ts";
import type { BatchEnd } from "./batch.ts";
import { realise } from "./batch.ts";
import type { BuildLimits, Cause, Failure, RunMemory } from "./failure.ts";
import { dependencyVerdict, ownVerdict } from "./failure.ts";
import { BuildLogs, streamOf } from "./logs.ts";
import type { Component } from "./plan.ts";
import { BATCH, blocked, components, need, peel } from "./plan.ts";

export interface Goal {
  readonly selection: number;
  readonly path: readonly string[];
  readonly drv: string;
}

export interface BuildOptions {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  readonly goals: readonly Goal[];
  readonly limits: BuildLimits;
  readonly memory: RunMemory;
  readonly sink: Pick<Sink, "results" | "log">;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Builds side by side; the number of processors unless given. */
  readonly slots?: number;
  /** Lines for people, for the job's own log. */
  readonly say: (line: string) => void;
}

/** Each derivation of a goal gets one of these in the end. */
type Settled = { readonly verdict: Verdict; readonly seconds: number; readonly log: string | null };

/** A component of few goals is given to one process whole, however deep: Nix itself builds nothing twice. */
const FEW_GOALS = 8;

/** How often a derivation is given to a batch again that something else interrupted. */
const TRIES = 3;

/** Builds the goals. Their results go to the sink as they become known; each goal gets exactly one. */
export async function build(options: BuildOptions): Promise<void> {
  const session = new Session(options);
  await session.prepare();
  await session.run();
}

class Session {
  readonly #options: BuildOptions;
  readonly #slots: number;
  readonly #logs: BuildLogs;
  readonly #goals: Map<string, Goal[]>;
  readonly #seconds = new Map<string, number>();
  readonly #printed = new Set<string>();
  #graph: Graph = new Map();
  #invalid = new Set<string>();
  #below: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #tries = new Map<string, number>();
  readonly #alone = new Set<string>();
  readonly #waiting: Component[] = [];
  #running = 0;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: BuildOptions) {
    this.#options = options;
    this.#slots = options.slots ?? Math.max(1, availableParallelism());
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#logs = new BuildLogs(options.sink);
    this.#goals = Map.groupBy(options.goals, (goal) => goal.drv);
  }

  /** Finds what is there already, and the graph of what is not. */
  async prepare(): Promise<void> {
    const { workspace, facts, signal, memory, goals } = this.#options;
    const own = await showDerivations(
      workspace,
      facts.version,
      [...this.#goals.keys()],
      false,
      signal,
    );
    this.#invalid = await invalidPaths(workspace, outputsOf(own.values()), signal);
    const reused = [...this.#goals.keys()].filter((drv) => this.#isValid(own.get(drv)));
    await this.#settle(
      new Map(
        reused.map((drv) => [
          drv,
          { verdict: { kind: "succeeded", reused: true }, seconds: 0, log: null },
        ]),
      ),
    );
    const missing = [...this.#goals.keys()];
    this.#options.say(
      `${goals.length} attributes: ${reused.length} derivations are built already, ${missing.length} are to be built`,
    );
    if (missing.length === 0) return;
    this.#graph = await showDerivations(workspace, facts.version, missing, true, signal);
    this.#invalid = await invalidPaths(workspace, outputsOf(this.#graph.values()), signal);
    this.#below = need(missing, this.#graph, (path) => !this.#invalid.has(path)).below;
    if (!facts.remoteBuilders && !facts.substituters) {
      for (const drv of this.#below.keys()) {
        const lacks = lacking(this.#graph.get(drv), facts);
        if (lacks.length > 0 && !memory.failures.has(drv))
          this.#fail({
            drv,
            cause: { kind: "no-runner", missing: lacks },
            logTail: "",
            printed: false,
            seconds: 0,
          });
      }
    }
  }

  async run(): Promise<void> {
    try {
      await this.#settleBlocked();
      this.#plan([...this.#goals.keys()]);
      await Promise.all(Array.from({ length: this.#slots }, () => this.#worker()));
      this.#signal.throwIfAborted();
    } finally {
      await this.#logs.closeAll();
    }
    if (this.#goals.size > 0)
      throw new Error(
        `${this.#goals.size} derivations were left without a verdict, such as ${[...this.#goals.keys()][0]}`,
      );
  }

  /** Puts goals that can still be built in the queue, by what they share. */
  #plan(goals: readonly string[]): void {
    const open = goals.filter(
      (drv) => this.#goals.has(drv) && !this.#options.memory.failures.has(drv),
    );
    const below = this.#openNeed();
    const causes = blocked(below, this.#options.memory.failures);
    this.#waiting.push(
      ...components(
        open.filter((drv) => !causes.has(drv)),
        below,
      ),
    );
  }

  /** The need without what is there by now. */
  #openNeed(): { below: Map<string, readonly string[]> } {
    const missing = (drv: string): boolean => !this.#isValid(this.#graph.get(drv));
    const below = new Map<string, readonly string[]>();
    for (const [drv, inputs] of this.#below)
      if (missing(drv))
        below.set(
          drv,
          inputs.filter((input) => this.#below.has(input) && missing(input)),
        );
    return { below };
  }

  async #worker(): Promise<void> {
    for (;;) {
      if (this.#signal.aborted) return;
      const work = this.#next();
      if (work === null) {
        if (this.#running === 0) return;
        await this.#changed();
        continue;
      }
      this.#running += 1;
      try {
        await this.#build(work);
      } catch (error) {
        // The others' processes end too, before anybody hears of it.
        this.#stop.abort(error);
      } finally {
        this.#running -= 1;
        this.#wake();
      }
    }
  }

  #sleepers: (() => void)[] = [];
  #changed(): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push(resolve));
  }
  #wake(): void {
    const sleepers = this.#sleepers;
    this.#sleepers = [];
    for (const wake of sleepers) wake();
  }

  /** One process's work: small components packed together, or the first part of a large one. */
  #next(): { drvs: string[]; after: string[]; jobs: number } | null {
    const first = this.#waiting.shift();
    if (first === undefined) return null;
    const alone = this.#waiting.length === 0 && this.#running === 0;
    if (first.members.length > BATCH && first.goals.length > FEW_GOALS) {
      const part = peel(first, this.#openNeed());
      if (part.length > 0)
        return { drvs: part, after: [...first.goals], jobs: alone ? this.#slots : 1 };
    }
    const drvs = [...first.goals];
    let members = first.members.length;
    // Guided: large batches while there is much to do, small ones at the end, so that nobody waits for one long batch.
    const left = this.#waiting.reduce((sum, component) => sum + component.members.length, members);
    const size = Math.max(1, Math.min(BATCH, Math.ceil(left / this.#slots)));
    for (
      let next = this.#waiting[0];
      next !== undefined && members + next.members.length <= size;
      next = this.#waiting[0]
    ) {
      drvs.push(...next.goals);
      members += next.members.length;
      this.#waiting.shift();
    }
    return { drvs, after: [], jobs: alone && this.#waiting.length === 0 ? this.#slots : 1 };
  }

  async #build({
    drvs,
    after,
    jobs,
  }: {
    drvs: string[];
    after: string[];
    jobs: number;
  }): Promise<void> {
    const { workspace, limits, now, say } = this.#options;
    const signal = this.#signal;
    const end = await realise({
      workspace,
      drvs,
      jobs,
      limits,
      signal,
      now,
      onLine: (drv, line) => this.#logs.line(drv, line),
      onNotice: (text) => say(text),
    });
    if (signal.aborted) return;
    const touched = [...new Set([...drvs, ...end.watch.builds.keys()])];
    const nodes = touched.flatMap((drv) => this.#graph.get(drv) ?? []);
    const invalid = await invalidPaths(workspace, outputsOf(nodes), signal);
    for (const path of outputsOf(nodes)) if (!invalid.has(path)) this.#invalid.delete(path);
    this.#learn(end);
    await this.#logs.close(end.watch.builds.keys());
    await this.#conclude(drvs, after, end);
  }

  /** Times and failures of what was built. A failure counts only where the outputs are not there. */
  #learn({ watch, ended }: BatchEnd): void {
    const { now } = this.#options;
    for (const build of watch.builds.values()) {
      this.#seconds.set(build.drv, ((build.endedAt ?? now()) - build.startedAt) / 1_000);
      if (build.printed) this.#printed.add(build.drv);
    }
    const fail = (drv: string, cause: Cause): void => {
      if (!this.#graph.has(drv) || this.#isValid(this.#graph.get(drv))) return;
      const build = watch.builds.get(drv);
      this.#fail({
        drv,
        cause,
        logTail: build?.tail.toString() ?? "",
        printed: build?.printed ?? false,
        seconds: this.#seconds.get(drv) ?? 0,
      });
    };
    for (const { drv, cause } of watch.findings.values()) fail(drv, cause);
    if (ended !== null) fail(ended.build.drv, { kind: ended.kind });
  }

  #fail(failure: Failure): void {
    const { memory, say } = this.#options;
    if (memory.failures.has(failure.drv)) return;
    memory.failures.set(failure.drv, failure);
    say(`${failure.drv}: ${failure.cause.kind}`);
  }

  /** Verdicts of a batch; what nothing explains is tried once more, alone. */
  async #conclude(drvs: readonly string[], after: readonly string[], end: BatchEnd): Promise<void> {
    const settled = new Map<string, Settled>();
    for (const drv of [...drvs, ...after]) {
      if (this.#goals.has(drv) && this.#isValid(this.#graph.get(drv)))
        settled.set(drv, {
          verdict: { kind: "succeeded", reused: false },
          seconds: this.#seconds.get(drv) ?? 0,
          log: this.#logOf(drv),
        });
    }
    await this.#settle(settled);
    await this.#settleBlocked();
    const causes = blocked(this.#openNeed(), this.#options.memory.failures);
    const unexplained = drvs.filter(
      (drv) =>
        !this.#isValid(this.#graph.get(drv)) &&
        !this.#options.memory.failures.has(drv) &&
        !causes.has(drv),
    );
    const interrupted = drvs.length > 1 && (end.ended !== null || end.watch.findings.size > 0);
    const again = new Set<string>();
    for (const drv of unexplained) {
      const tries = (this.#tries.get(drv) ?? 0) + 1;
      this.#tries.set(drv, tries);
      // Something else stopped the process before it came to this one. A builder can also forge what looks like that.
      if (interrupted && tries <= TRIES) again.add(drv);
      else if (!this.#alone.has(drv)) {
        this.#alone.add(drv);
        this.#waiting.push({ goals: [drv], members: Array.from({ length: BATCH }, () => drv) });
      } else {
        const said =
          end.watch.machinery ??
          (end.watch.errors.toString() || `nix-store ${describeLaunch(end.result)}`);
        const tail = end.watch.builds.get(drv)?.tail.toString() ?? "";
        this.#fail({
          drv,
          cause: {
            kind: "infrastructure",
            message: shorten(`tried twice, and nothing says why it was not built: ${said}`, 16_384),
          },
          logTail: tail,
          printed: this.#printed.has(drv),
          seconds: 0,
        });
      }
    }
    await this.#settleBlocked();
    this.#plan(
      [...new Set([...again, ...after])].filter(
        (drv) => again.has(drv) || !unexplained.includes(drv),
      ),
    );
  }

  /** Settles goals that failed and goals that stand on something that did. */
  async #settleBlocked(): Promise<void> {
    const { memory, limits } = this.#options;
    if (memory.failures.size === 0) return;
    const causes = blocked(this.#openNeed(), memory.failures);
    const settled = new Map<string, Settled>();
    for (const drv of this.#goals.keys()) {
      const own = memory.failures.get(drv);
      const cause = causes.get(drv);
      if (own !== undefined && !this.#isValid(this.#graph.get(drv))) {
        settled.set(drv, {
          verdict: ownVerdict(own, limits),
          seconds: own.seconds,
          log: own.printed ? streamOf(drv) : null,
        });
      } else if (cause !== undefined) {
        const failure = memory.failures.get(cause)!;
        settled.set(drv, {
          verdict: dependencyVerdict(failure),
          seconds: 0,
          log: failure.printed ? streamOf(cause) : null,
        });
      }
    }
    await this.#settle(settled);
  }

  async #settle(settled: ReadonlyMap<string, Settled>): Promise<void> {
    const results: AttributeResult[] = [];
    for (const [drv, { verdict, seconds, log }] of settled) {
      for (const goal of this.#goals.get(drv) ?? [])
        results.push({
          selection: goal.selection,
          path: [...goal.path],
          drv,
          verdict,
          seconds,
          log,
        });
      this.#goals.delete(drv);
    }
    if (results.length > 0) await this.#options.sink.results(results);
  }

  #logOf(drv: string): string | null {
    return this.#printed.has(drv) ? streamOf(drv) : null;
  }

  #isValid(node: GraphNode | undefined): boolean {
    return (
      node !== undefined &&
      [...node.outputs.values()].every((path) => path !== null && !this.#invalid.has(path))
    );
  }
}

function outputsOf(nodes: Iterable<GraphNode>): string[] {
  return [...nodes].flatMap((node) => [...node.outputs.values()].filter((path) => path !== null));
}

/** What this runner lacks to build a derivation by itself. */
function lacking(node: GraphNode | undefined, facts: NixFacts): string[] {
  if (node === undefined) return [];
  const system =
    node.system === "builtin" || facts.systems.includes(node.system)
      ? []
      : [`system ${node.system}`];
  return [
    ...system,
    ...node.features
      .filter((feature) => !facts.features.includes(feature))
      .map((feature) => `feature ${feature}`),
  ];
}
