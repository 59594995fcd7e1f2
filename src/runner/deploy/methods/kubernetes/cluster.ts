import type {
  DeployStep,
  DeployWork,
  MachineOutcome,
  Observation,
} from "../../../../protocol/machine.ts";
import type { Clock } from "../../../agent/clock.ts";
import type { Reply } from "../../../machine/index.ts";
import type { Environment } from "../../../process/index.ts";
import type { Health, RunnerCheck } from "../../health/probe.ts";
import type { ClusterTarget, Opened } from "./door.ts";
import type { ClusterPlace, KubernetesTool } from "./program.ts";

/**
 * What the deploy of one cluster works with. A cluster is no machine that Snowcat's program could run on: its counter and lock
 * are a ConfigMap, its watchdog is the runner, and what changes it is a program of the repository's behind a gate.
 */
export interface ClusterParts {
  readonly work: DeployWork;
  readonly tool: KubernetesTool;
  readonly cluster: ClusterSettings;
  /** Lays the checkout out where programs run that reach nothing but `reach` (host and port) and what the runner lets all reach. */
  readonly openPlace: (reach: string) => Promise<OpenedPlace>;
  /** Makes a new way to the cluster each time. */
  readonly open: (signal?: AbortSignal) => Promise<Opened>;
  /** Of `kubectl exec`. */
  readonly env: Environment;
  /** Unlike any other deploy's: a random id. */
  readonly owner: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly probe: (check: RunnerCheck) => Promise<Health>;
  readonly seal: () => boolean;
  readonly step: (step: DeployStep) => Promise<void>;
  readonly observed: (reply: Reply<Observation>) => Promise<void>;
  readonly say: (line: string) => void;
}

export type OpenedPlace =
  | {
      readonly kind: "open";
      readonly place: ClusterPlace;
      /** The HTTP proxy through which programs there reach it; null: they connect by themselves. */
      readonly proxy: string | null;
      readonly close: () => Promise<void>;
    }
  | { readonly kind: "refused"; readonly why: string };

/** The same, with the place that was opened for it. */
export type Furnished = ClusterParts &
  Pick<Extract<OpenedPlace, { kind: "open" }>, "place" | "proxy">;

/** The operator's own policy of one cluster. */
export interface ClusterSettings {
  readonly target: ClusterTarget;
  /** Where Snowcat's ConfigMap is; it has to exist. */
  readonly namespace: string;
  /** Whether deploys of it may delete what is no longer in the repository. */
  readonly prune: boolean;
}

/** Longest part of a program's last words in an outcome. */
const WHY = 4_000;
export const short = (why: string): string => (why.length <= WHY ? why : `…${why.slice(1 - WHY)}`);

export function untouched(step: DeployStep, why: string, running: string | null): MachineOutcome {
  return { kind: "failed-untouched", step, why: short(why), running };
}
