import type {
  DeployStep,
  DeployWork,
  ManifestPath,
  MachineOutcome,
  Observation,
} from "../../../protocol/machine.ts";
import type { Clock } from "../../agent/clock.ts";
import type { Machine, Reply, SourceStore } from "../../machine/index.ts";
import type { Health, RunnerCheck } from "../health/probe.ts";
import type { BootFile } from "./space.ts";
import type { DeployTool } from "./tool.ts";

/** What the deploy of one machine works with. */
export interface DeployParts {
  readonly work: DeployWork;
  /** Of the closure that is brought, checked; null where the machine goes back to a system that it has. */
  readonly manifest: {
    readonly text: string;
    readonly paths: readonly ManifestPath[];
    readonly boot: readonly BootFile[];
  } | null;
  /** Null: Snowcat activates by itself, as `plain` does. */
  readonly tool: DeployTool | null;
  /** Until the point of no return: a cancel ends its connections. */
  readonly machine: Machine;
  readonly signal: AbortSignal;
  /** The same machine over connections that no cancel ends. */
  readonly beyond: Machine;
  /** Where the closure is. */
  readonly store: SourceStore;
  /** Asks a check of the runner's once. */
  readonly probe: (check: RunnerCheck) => Promise<Health>;
  readonly clock: Clock;
  /** The point of no return: from here on no cancel reaches the deploy. False: one came before. */
  readonly seal: () => boolean;
  readonly step: (step: DeployStep) => Promise<void>;
  readonly observed: (reply: Reply<Observation>) => Promise<void>;
  /** A line of the job's log. */
  readonly say: (line: string) => void;
}

/** Characters of a reason or of a log's end that an outcome carries at most. */
const WHY = 4_000;

/** An outcome before anything was changed. */
export function untouched(
  step: DeployStep,
  why: string,
  running: string | null,
): Extract<MachineOutcome, { kind: "failed-untouched" }> {
  return { kind: "failed-untouched", step, why: short(why), running };
}

/** Its end says more than its beginning. */
export function short(why: string): string {
  return why.length <= WHY ? why : `…${why.slice(1 - WHY)}`;
}

/** Nothing of it is left to do on the machine. */
export async function close({ beyond, work, say }: DeployParts): Promise<void> {
  const closed = await beyond.end({ counter: work.counter });
  if (closed.kind !== "done") say(`not closed on the machine: ${describeFault(closed)}`);
}

/** A fault in words. */
export function describeFault(fault: Exclude<Reply<unknown>, { kind: "done" }>): string {
  switch (fault.kind) {
    case "unreachable":
      return `the machine cannot be reached: ${fault.why}`;
    case "lost":
      return `the connection to the machine was lost: ${fault.why}`;
    case "refused":
      return `the machine refused: ${fault.why}`;
    case "failed":
      return fault.log === "" ? fault.why : `${fault.why}\n${fault.log}`;
  }
}
