import { availableParallelism } from "node:os";
import type { Sink } from "../../agent/sink.ts";
import type { Workspace } from "../launch.ts";
import type { NixFacts } from "../version.ts";
import type { Attest } from "../../provenance/attest.ts";
import { showDerivations } from "../store/derivations.ts";
import { pathInfos } from "../store/path-info.ts";
import { invalidPaths } from "../store/validity.ts";
import type { BatchEnd, BatchOptions } from "./batch.ts";
import { realise } from "./batch.ts";
import type { BuildLimits, Cause, RunMemory } from "./failure.ts";
import { oomKills } from "./kernel.ts";
import { lacking } from "./lacking.ts";
import type { Goal } from "./ledger.ts";
import { Ledger, outputsOf } from "./ledger.ts";
import { BuildLogs } from "./logs.ts";
import { outcome, unexplainedCause } from "./outcome.ts";
import { need } from "./plan.ts";
import type { Work } from "./queue.ts";
import { Queue } from "./queue.ts";
import { TAIL } from "./tail.ts";

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
  /** Of the kernel of this machine unless given. */
  readonly oomKills?: BatchOptions["oomKills"];
  readonly clock?: BatchOptions["clock"];
  /** Signs what is built; nothing is signed without. */
  readonly attest?: Attest;
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
  #running = 0;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: BuildOptions) {
    this.#options = options;
    this.#slots = options.slots ?? Math.max(1, availableParallelism());
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#logs = new BuildLogs(options.sink);
    this.#ledger = new Ledger(options);
    this.#queue = new Queue(this.#slots);
  }

  /** Finds what is there already, and the graph of what is not. */
  async prepare(): Promise<void> {
    const { workspace, facts, signal, goals, say } = this.#options;
    const ledger = this.#ledger;
    const own = await showDerivations(workspace, facts.version, ledger.open(), false, signal);
    const outputs = outputsOf(own.values());
    const there = await pathInfos(workspace, outputs, signal);
    ledger.begin(own, without(outputs, there), new Map());
    ledger.found(there);
    const reused = ledger.open().filter((drv) => !ledger.isMissing(drv));
    await ledger.succeed(reused, true);
    const missing = ledger.open();
    say(
      `${goals.length} attributes: ${reused.length} derivations are built already, ${missing.length} are to be built`,
    );
    if (missing.length === 0) return;
    const graph = await showDerivations(workspace, facts.version, missing, true, signal);
    const invalid = await invalidPaths(workspace, outputsOf(graph.values()), signal);
    ledger.begin(graph, invalid, need(missing, graph, (path) => !invalid.has(path)).below);
    if (facts.remoteBuilders || facts.substituters) return;
    for (const drv of ledger.needed()) {
      const lacks = lacking(ledger.node(drv), facts);
      if (lacks.length > 0) ledger.fail(drv, { kind: "no-runner", missing: lacks }, "");
    }
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
      this.#signal.removeEventListener("abort", onAbort);
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
        (members) => claims.take(members),
      );
      if (work === null) {
        if (this.#running === 0 && this.#queue.isEmpty) return;
        await claims.changed();
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
        claims.give(work.members);
      }
    }
  }

  async #build({ drvs: planned, after, jobs }: Work): Promise<void> {
    const { workspace, limits, now, say, clock } = this.#options;
    const ledger = this.#ledger;
    const signal = this.#signal;
    const drvs = await this.#stillWanted(planned);
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
    ledger.found(await pathInfos(workspace, paths, signal));
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
    const fail = (drv: string, cause: Cause): void =>
      ledger.fail(drv, cause, tailOf(end.watch.builds.get(drv)?.tail.toString() ?? "", cause));
    const { failed, again, unexplained } = outcome(
      end,
      drvs,
      (drv) => ledger.node(drv) !== undefined && ledger.isMissing(drv),
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
    this.#plan([...drvs, ...after]);
  }
}

function without(paths: readonly string[], there: ReadonlyMap<string, unknown>): Set<string> {
  return new Set(paths.filter((path) => !there.has(path)));
}

/** The last lines of a log; what Nix says where the log does not tell stands below them. */
function tailOf(printed: string, cause: Cause): string {
  const said = cause.kind === "failed" ? cause.said : undefined;
  if (said === undefined) return printed;
  return `${printed}${printed === "" ? "" : "\n"}${said}`.slice(-TAIL.characters);
}
