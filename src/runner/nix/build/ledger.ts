import type { AttributeResult } from "../../../protocol/attribute.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import type { Sink } from "../../agent/sink.ts";
import type { Attestation } from "../../../protocol/provenance.ts";
import type { Attest } from "../../provenance/attest.ts";
import type { Graph, GraphNode } from "../store/derivations.ts";
import type { PathInfo } from "../store/path-info.ts";
import type { BuildLimits, Failure, RunMemory } from "./failure.ts";
import { dependencyVerdict, ownVerdict } from "./failure.ts";
import { streamOf } from "./logs.ts";
import type { Need } from "./plan.ts";
import { blocked } from "./plan.ts";

/** An attribute and the derivation that it comes to. */
export interface Goal {
  readonly selection: number;
  readonly path: readonly string[];
  readonly drv: string;
}

export interface LedgerOptions {
  readonly goals: readonly Goal[];
  readonly limits: BuildLimits;
  readonly memory: RunMemory;
  readonly sink: Pick<Sink, "results">;
  readonly attest?: Attest;
  readonly say: (line: string) => void;
}

/** What is known of a build job's derivations, and which goals have their result. Each goal gets exactly one. */
export class Ledger {
  readonly #options: LedgerOptions;
  /** Goals without a result, by derivation. */
  readonly #open: Map<string, Goal[]>;
  readonly #seconds = new Map<string, number>();
  readonly #printed = new Set<string>();
  #graph: Graph = new Map();
  #invalid: ReadonlySet<string> = new Set();
  readonly #valid = new Map<string, PathInfo>();
  #below: Need["below"] = new Map();

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#open = Map.groupBy(options.goals, (goal) => goal.drv);
  }

  /** Derivations of goals without a result. */
  open(): string[] {
    return [...this.#open.keys()];
  }

  isOpen(drv: string): boolean {
    return this.#open.has(drv);
  }

  /** Sets what there is and what has to be built. `below` is empty until it is known. */
  begin(graph: Graph, invalid: ReadonlySet<string>, below: Need["below"]): void {
    this.#graph = graph;
    this.#invalid = invalid;
    this.#below = below;
  }

  needed(): Iterable<string> {
    return this.#below.keys();
  }

  node(drv: string): GraphNode | undefined {
    return this.#graph.get(drv);
  }

  isMissing(drv: string): boolean {
    const outputs = this.#graph.get(drv)?.outputs.values();
    return (
      outputs === undefined ||
      [...outputs].some(
        (path) => path === null || (this.#invalid.has(path) && !this.#valid.has(path)),
      )
    );
  }

  /** The need without what is there by now. */
  need(): Need {
    const below = new Map<string, readonly string[]>();
    for (const [drv, inputs] of this.#below)
      if (this.isMissing(drv))
        below.set(
          drv,
          inputs.filter((input) => this.#below.has(input) && this.isMissing(input)),
        );
    return { below };
  }

  /** Goals that nothing known keeps from being built. */
  buildable(drvs: Iterable<string>): string[] {
    const { failures } = this.#options.memory;
    const open = [...new Set(drvs)].filter((drv) => this.isOpen(drv) && !failures.has(drv));
    if (failures.size === 0) return open;
    const causes = blocked(this.need(), failures);
    return open.filter((drv) => !causes.has(drv));
  }

  /** Output paths that turned out to be valid. */
  found(paths: ReadonlyMap<string, PathInfo>): void {
    for (const [path, info] of paths) this.#valid.set(path, info);
  }

  took(drv: string, seconds: number, printed: boolean): void {
    this.#seconds.set(drv, seconds);
    if (printed) this.#printed.add(drv);
  }

  fail(drv: string, cause: Failure["cause"], tail: string): void {
    const { memory, say } = this.#options;
    if (memory.failures.has(drv)) return;
    memory.failures.set(drv, {
      drv,
      cause,
      logTail: tail,
      printed: this.#printed.has(drv),
      seconds: this.#seconds.get(drv) ?? 0,
    });
    say(`${drv}: ${cause.kind}`);
  }

  /** What failed at another runner of the run is not tried here. */
  learn(failure: Failure): void {
    const { memory, say } = this.#options;
    if (memory.failures.has(failure.drv)) return;
    memory.failures.set(failure.drv, failure);
    say(`${failure.drv}: ${failure.cause.kind}, as another runner found`);
  }

  /** These go back to the Run without a result. */
  giveBack(drvs: Iterable<string>): void {
    for (const drv of drvs) this.#open.delete(drv);
  }

  async succeed(drvs: Iterable<string>, reused: boolean): Promise<void> {
    await this.#settle(
      [...drvs].map((drv) => ({
        drv,
        verdict: { kind: "succeeded", reused },
        seconds: this.#seconds.get(drv) ?? 0,
        log: this.#printed.has(drv) ? streamOf(drv) : null,
      })),
    );
  }

  /** Settles goals that failed and goals that stand on something that did. */
  async settleBlocked(): Promise<void> {
    const { memory, limits } = this.#options;
    if (memory.failures.size === 0) return;
    const causes = blocked(this.need(), memory.failures);
    await this.#settle(
      this.open().flatMap((drv) => {
        const own = memory.failures.get(drv);
        if (own !== undefined && this.isMissing(drv))
          return [
            {
              drv,
              verdict: ownVerdict(own, limits),
              seconds: own.seconds,
              log: own.printed ? streamOf(drv) : null,
            },
          ];
        const below = memory.failures.get(causes.get(drv) ?? "");
        return below === undefined
          ? []
          : [
              {
                drv,
                verdict: dependencyVerdict(below),
                seconds: 0,
                log: below.printed ? streamOf(below.drv) : null,
              },
            ];
      }),
    );
  }

  /** Signs the outputs, all of which the store has told about. */
  #attest(path: readonly string[], drv: string): Attestation | undefined {
    const { attest } = this.#options;
    if (attest === undefined) return undefined;
    const outputs = [...(this.#graph.get(drv)?.outputs ?? [])].map(([name, output]) => {
      const info = output === null ? undefined : this.#valid.get(output);
      if (output === null || info === undefined)
        throw new Error(`${drv} counts as built, and the store was not asked for its ${name}`);
      return { name, path: output, narHash: info.narHash, narSize: info.narSize };
    });
    return attest({ path, drv }, outputs);
  }

  async #settle(
    settled: readonly { drv: string; verdict: Verdict; seconds: number; log: string | null }[],
  ): Promise<void> {
    const results: AttributeResult[] = [];
    for (const { drv, ...result } of settled) {
      for (const { selection, path } of this.#open.get(drv) ?? []) {
        const attestation =
          result.verdict.kind === "succeeded" ? this.#attest(path, drv) : undefined;
        results.push({
          selection,
          path: [...path],
          drv,
          ...result,
          ...(attestation === undefined ? {} : { attestation }),
        });
      }
      this.#open.delete(drv);
    }
    if (results.length > 0) await this.#options.sink.results(results);
  }
}

export function outputsOf(nodes: Iterable<GraphNode>): string[] {
  return [...nodes].flatMap((node) => [...node.outputs.values()].filter((path) => path !== null));
}
