import type { KeyObject } from "node:crypto";
import type {
  DeployAction,
  DeployLimits,
  DeployWork,
  HealthCheck,
  LocalDeploy,
} from "../../../protocol/machine.ts";
import type { Identity } from "../../enrolment/identity.ts";
import { describeFault } from "../engine/parts.ts";
import { bootFiles } from "../engine/space.ts";
import { type Deployer, deployOne } from "../deployer.ts";
import { checkManifest } from "../manifest.ts";
import { fingerprint } from "../policy/host-key.ts";
import type { DeployPolicy, PolicyMachine } from "../policy/policy.ts";
import { describeWindows, isOpen } from "../policy/window.ts";
import type { LocalRecords } from "../records.ts";
import { targetOf } from "../target.ts";
import { signClosure } from "../../provenance/closure.ts";
import { registeredClosure } from "./closure.ts";

/** No commit stands behind what is deployed so. */
const NO_COMMIT = "0".repeat(40);

export interface LocalRequest {
  /** The policy's own name for the machine. */
  readonly machine: string;
  /** A system of this runner's store, or a generation of the machine's (null: the one before). */
  readonly what: { kind: "system"; system: string } | { kind: "generation"; number: number | null };
  readonly why: string;
  readonly by: string;
  readonly health: readonly HealthCheck[];
  readonly limits: DeployLimits;
  readonly outsideWindows: boolean;
}

export interface LocalParts extends Deployer {
  readonly policy: DeployPolicy;
  readonly identity: Identity;
  /** The runner's own. */
  readonly key: KeyObject;
  readonly records: LocalRecords;
  readonly say: (line: string) => void;
}

export type LocalEnd = { kind: "ended"; deploy: LocalDeploy } | { kind: "refused"; why: string };

/**
 * Break-glass: the same steps with the same guards, without the control plane. The counter is one higher than the
 * machine's own; lock, watchdog and journal are the machine's as ever. What was done is kept, and told when the control
 * plane asks this runner for the machine the next time.
 */
export async function deployLocally(parts: LocalParts, request: LocalRequest): Promise<LocalEnd> {
  const { policy, clock, records, say } = parts;
  const machine = policy.machines[request.machine];
  const listed = Object.keys(policy.machines).join(", ");
  if (machine === undefined)
    return refuse(`the policy has no machine ${request.machine}; it has ${listed || "none"}`);
  const refused = judge(machine, request, clock.now());
  if (refused !== null) return refuse(refused);

  const counter = await nextCounter(parts, machine, request.limits.connectSeconds);
  if (counter.kind === "refused") return counter;
  const brought = await bring(parts, machine, request);
  if (brought.kind === "refused") return brought;
  const hostKey = fingerprint(machine.hostKey);
  const work: DeployWork = {
    kind: "deploy",
    machine: { name: request.machine, hostKey },
    method: "plain",
    tool: null,
    source: null,
    counter: counter.counter,
    sha: NO_COMMIT,
    ref: "refs/heads/local",
    action: brought.action,
    expected: counter.running,
    health: [...request.health],
    backup: null,
    limits: request.limits,
  };
  const at = clock.now();
  const cancel = new AbortController();
  const outcome = await deployOne(parts, {
    work,
    policy,
    machine,
    manifest: brought.manifest,
    signal: cancel.signal,
    seal: () => true,
    step: async (step) => say(`step: ${step}`),
    observed: async () => {},
    say,
  });
  const { by, why } = request;
  const deploy: LocalDeploy = { counter: counter.counter, at, by, why, outcome };
  await records.keep(hostKey, deploy);
  return { kind: "ended", deploy };
}

/** What the policy says of the machine holds for its operator too; a window may be stepped over, knowingly. */
function judge(machine: PolicyMachine, request: LocalRequest, now: number): string | null {
  const { windows } = machine;
  // The way back is the machine's own, by whatever it came there.
  const forward = request.what.kind === "system";
  if (forward && !machine.methods.includes("plain"))
    return `the policy changes ${request.machine} by ${machine.methods.join(", ")} only`;
  if (forward && windows !== null && !request.outsideWindows && !isOpen(windows, now))
    return `deploys to ${request.machine} begin ${describeWindows(windows)}; --outside-windows steps over that`;
  return null;
}

async function nextCounter(
  parts: LocalParts,
  machine: PolicyMachine,
  connectSeconds: number,
): Promise<
  { kind: "counter"; counter: number; running: string | null } | { kind: "refused"; why: string }
> {
  const { clock, env } = parts;
  const client = await parts.connect(targetOf(machine, "deploy"), {
    connectSeconds,
    env,
    now: () => clock.now(),
  });
  try {
    const seen = await client.observe();
    if (seen.kind !== "done") return refuse(describeFault(seen));
    return { kind: "counter", counter: seen.value.counter + 1, running: seen.value.system };
  } finally {
    await client.close();
  }
}

async function bring(
  { key, identity, policy, store }: LocalParts,
  machine: PolicyMachine,
  { what, machine: name }: LocalRequest,
): Promise<
  | {
      kind: "brought";
      action: DeployAction;
      manifest: Parameters<typeof deployOne>[1]["manifest"];
    }
  | { kind: "refused"; why: string }
> {
  if (what.kind === "generation")
    return {
      kind: "brought",
      action: { kind: "generation", number: what.number, system: null },
      manifest: null,
    };
  const { system } = what;
  const repository = machine.repositories[0]?.id ?? 0;
  const of = { host: identity.host, repository, sha: NO_COMMIT, machine: name };
  const { head, text } = signClosure(key, of, system, await registeredClosure(store, system));
  const builders = policy.builders.map((builder) => builder.key);
  const checked = checkManifest(head, text, of, builders);
  if (checked.kind === "refused")
    return refuse(
      `${checked.why}. What this runner's own store has may be deployed when "builders" of its policy lists its key, ${head.builder}`,
    );
  return {
    kind: "brought",
    action: { kind: "system", system, manifest: head },
    manifest: { text, paths: checked.paths, boot: await bootFiles(system) },
  };
}

const refuse = (why: string): { kind: "refused"; why: string } => ({ kind: "refused", why });
