import type {
  DeployWork,
  DeployStep,
  MachineOutcome,
  Observation,
} from "../../protocol/machine.ts";
import { type Clock, systemClock } from "../agent/clock.ts";
import { connectMachine } from "../machine/index.ts";
import type {
  Machine,
  MachineOptions,
  MachineTarget,
  Reply,
  SourceStore,
} from "../machine/index.ts";
import type { Environment } from "../process/index.ts";
import type { Closure } from "./closure.ts";
import { deployMachine } from "./engine/deploy.ts";
import { closeLost } from "./engine/lost.ts";
import type { DeployParts } from "./engine/parts.ts";
import { probe, type RunnerCheck } from "./health/probe.ts";
import type { DeployPolicy, PolicyMachine } from "./policy/policy.ts";
import { targetOf } from "./target.ts";

/** What every deploy of a runner works with. */
export interface Deployer {
  readonly connect: (target: MachineTarget, options: MachineOptions) => Promise<Machine>;
  /** The one that builds and plans use here. */
  readonly store: SourceStore;
  /** Of `ssh`. */
  readonly env: Environment;
  readonly clock: Clock;
}

export interface OneDeploy {
  readonly work: DeployWork;
  readonly policy: DeployPolicy;
  readonly machine: PolicyMachine;
  readonly manifest: Closure | null;
  readonly signal: AbortSignal;
  readonly seal: () => boolean;
  /** An earlier life of the runner was at it. */
  readonly resumed?: boolean;
  readonly step: (step: DeployStep) => Promise<void>;
  readonly observed: (reply: Reply<Observation>) => Promise<void>;
  readonly say: (line: string) => void;
}

/** @param env how this runner's programs reach its store. */
export function deployerFor(env: Environment): Deployer {
  return {
    connect: connectMachine,
    store: { nixStore: "nix-store", url: null, env },
    env: env["PATH"] === undefined ? {} : { PATH: env["PATH"] },
    clock: systemClock,
  };
}

/** One machine, by the method that its work names. */
export async function deployOne(deployer: Deployer, one: OneDeploy): Promise<MachineOutcome> {
  const { work, policy, manifest, signal, say } = one;
  if (work.method !== "plain")
    return {
      kind: "held",
      why: `this runner's agent deploys by method plain; ${work.method} is not built into it`,
      running: null,
    };
  const { clock, env, store } = deployer;
  const target = targetOf(one.machine, "deploy");
  const { connectSeconds } = work.limits;
  const options = { connectSeconds, now: () => clock.now(), env, say };
  const machine = await deployer.connect(target, { ...options, signal });
  const beyond = await deployer.connect(target, options);
  // A check that hangs ends by its own limit; a cancel does not reach it past the point of no return.
  const asking = new AbortController();
  try {
    const parts = {
      work,
      manifest,
      machine,
      signal,
      beyond,
      store,
      clock,
      probe: (check: RunnerCheck) => probe(check, policy.healthHosts, asking.signal),
      seal: one.seal,
      step: one.step,
      observed: one.observed,
      say,
    } satisfies DeployParts;
    return one.resumed === true ? await closeLost(parts) : await deployMachine(parts);
  } finally {
    asking.abort();
    await Promise.all([machine.close(), beyond.close()]);
  }
}
