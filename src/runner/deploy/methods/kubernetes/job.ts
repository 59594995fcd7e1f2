import { randomUUID } from "node:crypto";
import type {
  DeployStep,
  DeployWork,
  MachineOutcome,
  Observation,
} from "../../../../protocol/machine.ts";
import type { Clock } from "../../../agent/clock.ts";
import type { Isolation } from "../../../isolation/index.ts";
import type { Reply } from "../../../machine/index.ts";
import { inheritedEnvironment } from "../../../process/index.ts";
import { probe } from "../../health/probe.ts";
import type { DeployPolicy, PolicyCluster } from "../../policy/policy.ts";
import type { LayOut } from "../place.ts";
import { clusterApi } from "./api.ts";
import { untouched } from "./cluster.ts";
import { deployCluster } from "./deploy.ts";
import { type ClusterTarget, type DoorOptions, openDoor } from "./door.ts";
import { closeLostCluster } from "./lost.ts";
import { replyOf } from "./observation.ts";
import { openClusterPlace } from "./place.ts";
import { clusterRecords } from "./record.ts";

/** Of `kubectl`: what login programs of cloud providers look at as well. */
const LOGIN = [
  "PATH",
  "HOME",
  "XDG_CONFIG_HOME",
  "HTTPS_PROXY",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "NIX_SSL_CERT_FILE",
];

/** The way back needs the program that was applied before, and nothing of the repository. */
const NO_TREE: LayOut = async ({ directory }) => ({ kind: "tree", tree: directory });

export interface OneCluster {
  readonly work: DeployWork;
  readonly policy: DeployPolicy;
  readonly cluster: PolicyCluster;
  /** Where the repository's program runs. */
  readonly tools: { readonly isolation: Isolation; readonly toolFolder: string | null };
  readonly layOut: LayOut;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly seal: () => boolean;
  /** An earlier life of the runner was at it. */
  readonly resumed: boolean;
  readonly step: (step: DeployStep) => Promise<void>;
  readonly observed: (reply: Reply<Observation>) => Promise<void>;
  readonly say: (line: string) => void;
}

/** One cluster, by a deploy runner that has kubectl and the operator's kubeconfig. */
export async function deployOneCluster(one: OneCluster): Promise<MachineOutcome> {
  const { work, policy, cluster, tools, clock, signal, say } = one;
  const { tool } = work;
  if (tool?.kind !== "kubernetes")
    return untouched("check", `${work.method} does not deploy clusters`, null);
  const { connectSeconds } = work.limits;
  const target = targetOf(cluster);
  const env = loginEnvironment(tools.toolFolder);
  const open = async (until?: AbortSignal) =>
    await openDoor(target, {
      connectSeconds,
      env,
      ...(until === undefined ? {} : { signal: until }),
    });
  // A check that hangs ends by its own limit; a cancel does not reach it past the point of no return.
  const asking = new AbortController();
  try {
    const parts = {
      work,
      tool,
      cluster: { target, namespace: cluster.namespace, prune: cluster.prune },
      openPlace: async (reach: string) =>
        await openClusterPlace(
          { work, ...tools, layOut: work.source === null ? NO_TREE : one.layOut, say, signal },
          reach,
        ),
      open,
      env,
      owner: randomUUID(),
      clock,
      signal,
      probe: async (check: Parameters<typeof probe>[0]) =>
        await probe(check, policy.healthHosts, asking.signal),
      seal: one.seal,
      step: one.step,
      observed: one.observed,
      say,
    };
    return one.resumed ? await closeLostCluster(parts) : await deployCluster(parts);
  } finally {
    asking.abort();
  }
}

/** What is recorded in a cluster; changes nothing. */
export async function observeCluster(
  cluster: PolicyCluster,
  options: Omit<DoorOptions, "env"> & { toolFolder: string | null; clock: Clock },
): Promise<Reply<Observation>> {
  const { toolFolder, clock, ...rest } = options;
  const opened = await openDoor(targetOf(cluster), { ...rest, env: loginEnvironment(toolFolder) });
  if (opened.kind === "missing") return { kind: "refused", code: "not-prepared", why: opened.why };
  if (opened.kind === "failed") return { kind: "unreachable", why: opened.why };
  try {
    const api = clusterApi(opened.door.socket, rest.connectSeconds);
    const seen = await clusterRecords(api, cluster.namespace, "").read();
    return replyOf(seen, clock.now());
  } finally {
    await opened.door.close();
  }
}

function targetOf({ kubeconfig, context, authority }: PolicyCluster): ClusterTarget {
  return { kubeconfig, context, authority };
}

function loginEnvironment(toolFolder: string | null): Readonly<Record<string, string>> {
  const inherited = inheritedEnvironment(LOGIN);
  const path = inherited["PATH"] ?? "/usr/bin:/bin:/run/current-system/sw/bin";
  return { ...inherited, PATH: toolFolder === null ? path : `${toolFolder}:${path}` };
}
