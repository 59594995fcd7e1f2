import { createHash, generateKeyPairSync } from "node:crypto";
import type {
  DeployStep,
  DeployWork,
  HealthCheck,
  MachineOutcome,
} from "../../../src/protocol/machine.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import type { MachineTarget } from "../../../src/runner/machine/index.ts";
import { connectMachine, fingerprintOf } from "../../../src/runner/machine/index.ts";
import { signClosure } from "../../../src/runner/provenance/closure.ts";
import type { Lab } from "../../machines/lab.ts";

/** Limits scaled down: nothing waits ten minutes (s). */
export const LIMITS = {
  connectSeconds: 2,
  copySeconds: 30,
  activationSeconds: 6,
  confirmationSeconds: 8,
};

export interface Deploy {
  readonly counter?: number;
  readonly expected?: string | null;
  readonly health?: readonly HealthCheck[];
  readonly limits?: Partial<DeployWork["limits"]>;
  readonly rollback?: boolean;
  readonly backup?: readonly string[];
  readonly signal?: AbortSignal;
  /** Told before each step is begun; the deploy waits for it. */
  readonly onStep?: (step: DeployStep) => Promise<void> | void;
  /** Whose hash another path is registered under, as a forger would have it. */
  readonly forge?: boolean;
  /** The runner's next life sees an earlier one's deploy to its end. */
  readonly resumed?: boolean;
}

export interface Deployed {
  readonly outcome: MachineOutcome;
  readonly seconds: number;
  readonly log: string[];
}

/** Everything that a job does, from the manifest to the outcome, in this process. */
export async function deployTo(
  lab: Lab,
  target: MachineTarget,
  system: string,
  how: Deploy = {},
): Promise<Deployed> {
  const began = performance.now();
  const log: string[] = [];
  const one = await workOn(lab, target, system, how);
  const outcome = await deployOne(
    {
      connect: connectMachine,
      store: lab.builder.source,
      env: lab.env,
      clock: systemClock,
    },
    {
      ...one,
      resumed: how.resumed ?? false,
      signal: how.signal ?? new AbortController().signal,
      seal: () => how.signal?.aborted !== true,
      step: async (step) => await how.onStep?.(step),
      observed: async () => {},
      say: (line) => void log.push(line),
    },
  );
  return { outcome, seconds: (performance.now() - began) / 1_000, log };
}

/** What a job would be told, and what its runner's policy says of the machine. */
export async function workOn(lab: Lab, target: MachineTarget, system: string, how: Deploy = {}) {
  const { address, hostPublicKey, identityFile, port } = target;
  const of = { host: "github.test", repository: 1, sha: "a".repeat(40), machine: "web" };
  const found = await lab.builder.manifest(system, of);
  const paths = how.forge === true ? found.paths.map(forged) : found.paths;
  const { head, text } = signClosure(BUILDER, of, system, paths);
  const hostKey = fingerprintOf(hostPublicKey);
  if (hostKey === null) throw new Error("the fixture's host key is none");
  const policy = DeployPolicy.parse({
    machines: {
      web: {
        address,
        port,
        hostKey: hostPublicKey,
        identityFile,
        repositories: [{ host: of.host, id: 1, machine: "web", refs: ["refs/heads/main"] }],
      },
    },
    builders: [{ name: "builder", key: head.builder }],
  });
  const work: DeployWork = {
    kind: "deploy",
    machine: { name: "web", hostKey },
    method: "plain",
    tool: null,
    source: null,
    counter: how.counter ?? 1,
    sha: of.sha,
    ref: "refs/heads/main",
    action:
      how.rollback === true
        ? { kind: "generation", number: null, system: null }
        : { kind: "system", system, manifest: head },
    expected: how.expected ?? null,
    health: [...(how.health ?? [])],
    backup: how.backup === undefined ? null : [...how.backup],
    limits: { ...LIMITS, ...how.limits },
  };
  const listed = policy.machines["web"];
  if (listed === undefined) throw new Error("the policy lost its machine");
  const manifest = how.rollback === true ? null : { text, paths, boot: [] };
  return { work, policy, machine: listed, manifest };
}

const BUILDER = generateKeyPairSync("ed25519").privateKey;

/** The same path with another content, as whoever can write to the runner's store would have signed nothing of. */
function forged<T extends { path: string; narHash: string }>(path: T): T {
  const other = createHash("sha256").update(path.path).digest("base64");
  return path.path.includes("nixos-system") ? { ...path, narHash: `sha256-${other}` } : path;
}
