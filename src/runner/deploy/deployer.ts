import type {
  DeployWork,
  DeployStep,
  MachineOutcome,
  Observation,
} from "../../protocol/machine.ts";
import { METHODS } from "../../protocol/machine.ts";
import { lacksOf } from "../../core/deploy/lacks.ts";
import { type Clock, systemClock } from "../agent/clock.ts";
import { connectMachine } from "../machine/index.ts";
import type {
  Machine,
  MachineOptions,
  MachineTarget,
  Reply,
  SourceStore,
} from "../machine/index.ts";
import type { Isolation } from "../isolation/index.ts";
import type { Environment } from "../process/index.ts";
import type { Closure } from "./closure.ts";
import { deployMachine } from "./engine/deploy.ts";
import { closeLost } from "./engine/lost.ts";
import { type DeployParts, untouched } from "./engine/parts.ts";
import type { DeployTool } from "./engine/tool.ts";
import { probe, type RunnerCheck } from "./health/probe.ts";
import { methodModule } from "./methods/index.ts";
import { type LayOut, openPlace } from "./methods/place.ts";
import { Turns } from "./methods/turns.ts";
import type { DeployPolicy, PolicyMachine } from "./policy/policy.ts";
import type { SecretFile } from "./secrets.ts";
import { targetOf } from "./target.ts";

/** What every deploy of a runner works with. */
export interface Deployer {
  readonly connect: (target: MachineTarget, options: MachineOptions) => Promise<Machine>;
  /** The one that builds and plans use here. */
  readonly store: SourceStore;
  /** Of `ssh`. */
  readonly env: Environment;
  /** Where outside tools run; without, only `plain` can be done. */
  readonly tools?: ToolSurroundings;
  readonly clock: Clock;
}

export interface ToolSurroundings {
  readonly isolation: Isolation;
  /** A folder of the operator's with tools in it, before all others on their PATH. */
  readonly toolFolder: string | null;
}

export interface OneDeploy {
  readonly work: DeployWork;
  readonly policy: DeployPolicy;
  readonly machine: PolicyMachine;
  readonly manifest: Closure | null;
  /** Lays out the tree of `work.source`, for a tool to work on. */
  readonly layOut?: LayOut;
  /** The operator's secrets for this deploy; its tool sees them as files. */
  readonly secrets?: readonly SecretFile[];
  /** Of what a tool's place holds: no output shows it. */
  readonly mask?: (secret: string) => void;
  readonly signal: AbortSignal;
  readonly seal: () => boolean;
  /** An earlier life of the runner was at it. */
  readonly resumed?: boolean;
  readonly step: (step: DeployStep) => Promise<void>;
  readonly observed: (reply: Reply<Observation>) => Promise<void>;
  readonly say: (line: string) => void;
}

/** @param env how this runner's programs reach its store. @param tools where outside tools run. */
export function deployerFor(env: Environment, tools?: ToolSurroundings): Deployer {
  return {
    ...(tools === undefined ? {} : { tools }),
    connect: connectMachine,
    store: { nixStore: "nix-store", url: null, env },
    env: env["PATH"] === undefined ? {} : { PATH: env["PATH"] },
    clock: systemClock,
  };
}

/** One machine, by the method that its work names. */
export async function deployOne(deployer: Deployer, one: OneDeploy): Promise<MachineOutcome> {
  const { work, signal, say } = one;
  const tool = one.resumed === true ? null : work.tool;
  if (tool === null || methodModule(tool.kind)?.alone !== true)
    return await deployNow(deployer, one);
  say(`one machine at a time by ${tool.kind}: it waits for its turn`);
  const end = await turns.take(tool.kind, signal);
  if (end === null)
    return untouched("connect", "it was cancelled while it waited for its turn", null);
  try {
    return await deployNow(deployer, one);
  } finally {
    end();
  }
}

/** Of this process, which is the runner. */
const turns = new Turns();

async function deployNow(deployer: Deployer, one: OneDeploy): Promise<MachineOutcome> {
  const { work, policy, manifest, signal, say } = one;
  const { clock, env, store } = deployer;
  const target = targetOf(one.machine, "deploy");
  const { connectSeconds } = work.limits;
  const options = { connectSeconds, now: () => clock.now(), env, say };
  const machine = await deployer.connect(target, { ...options, signal });
  const beyond = await deployer.connect(target, options);
  // A check that hangs ends by its own limit; a cancel does not reach it past the point of no return.
  const asking = new AbortController();
  let opened: OpenedTool = NO_TOOL;
  try {
    opened = await openTool(deployer, one, beyond);
    if (opened.kind === "ended") return opened.outcome;
    const parts = {
      tool: opened.tool,
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
    if (opened.kind === "tool") await opened.close();
    await Promise.all([machine.close(), beyond.close()]);
  }
}

type OpenedTool =
  | { kind: "tool"; tool: DeployTool | null; close: () => Promise<void> }
  | { kind: "ended"; outcome: MachineOutcome };
const NO_TOOL: OpenedTool = { kind: "tool", tool: null, close: async () => {} };

/** No tool: `plain`, what an earlier life began and nobody begins again, and a way back that needs no sources. */
async function openTool(
  { tools, env, clock }: Deployer,
  { work, machine, layOut, secrets = [], mask, signal, say, resumed }: OneDeploy,
  beyond: Machine,
): Promise<OpenedTool> {
  const { tool, source, action, method } = work;
  if (tool === null || resumed === true) return NO_TOOL;
  // Snowcat's program does on a Mac what it does elsewhere: nix-darwin has no tool that deploys from afar.
  if (tool.kind === "darwin") {
    for (const { step, why } of lacksOf("darwin")) say(`${step}, as far as it goes: ${why}`);
    return NO_TOOL;
  }
  if (action.kind === "generation" && (source === null || METHODS[method] === "closure"))
    return NO_TOOL;
  const module = methodModule(tool.kind);
  if (module === null || tools === undefined || layOut === undefined) {
    const why = `this runner has no place for the method ${method}: it deploys by plain only`;
    return { kind: "ended", outcome: { kind: "held", why, running: null } };
  }
  const place = await openPlace({
    work,
    policy: machine,
    machine: beyond,
    ...tools,
    env,
    layOut,
    secrets,
    clock,
    say,
    mask: mask ?? (() => {}),
    signal,
  });
  return place.kind === "open"
    ? { kind: "tool", tool: { module, place: place.place }, close: place.close }
    : { kind: "ended", outcome: untouched("check", place.why, null) };
}
