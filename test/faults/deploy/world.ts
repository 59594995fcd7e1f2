import { createHash, generateKeyPairSync } from "node:crypto";
import type {
  DeployStep,
  DeployWork,
  HealthCheck,
  MachineOutcome,
} from "../../../src/protocol/machine.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import { signClosure } from "../../../src/runner/provenance/closure.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { connectMachine, fingerprintOf } from "../../../src/runner/machine/index.ts";
import type { Lab } from "../../machines/lab.ts";
import { startLab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import type { SystemSpec } from "../../machines/systems.ts";

/** Limits scaled down: nothing waits ten minutes (s). */
export const LIMITS = {
  connectSeconds: 2,
  copySeconds: 30,
  activationSeconds: 6,
  confirmationSeconds: 8,
};

const UNIT = {
  works: "[Service]\nType=oneshot\nExecStart=true\n",
  broken: "[Service]\nType=oneshot\nExecStart=false\n",
};

/** Systems that the rows are about; `old` is what every machine runs at first. */
const SYSTEMS = {
  old: { units: { "web.service": UNIT.works }, packages: { web: "1" } },
  good: { units: { "web.service": `${UNIT.works}# 2\n` }, packages: { web: "2" } },
  newer: { units: { "web.service": `${UNIT.works}# 3\n` }, packages: { web: "3" } },
  /** Some mebibytes, so that there is a copy to cut. */
  heavy: { units: { "web.service": `${UNIT.works}# h\n` }, mebibytes: 48 },
  exit1: { packages: { web: "e1" }, onEnd: "exit 1" },
  newlyFailed: { units: { "web.service": UNIT.broken }, packages: { web: "4" } },
  oldFailed: {
    units: { "web.service": `${UNIT.works}# 5\n`, "legacy.service": UNIT.broken },
    packages: { web: "5" },
  },
  oldAndFailed: {
    units: { "web.service": UNIT.works, "legacy.service": UNIT.broken },
    packages: { web: "1f" },
  },
  deaf: { packages: { web: "6" }, network: false },
  /** Ten minutes, as far as the limits know. */
  slow: { packages: { web: "7" }, onActivate: "sleep 60" },
  /** Long enough to be met in its activation. */
  lengthy: { packages: { web: "7l" }, onActivate: "sleep 2" },
  unbootable: { packages: { web: "8" }, onBoot: "exit 1" },
  undry: { packages: { web: "9" }, onDry: "echo no; exit 1" },
  sentinel: { packages: { web: "10" }, onActivate: "touch /root/sentinel" },
} satisfies Record<string, SystemSpec>;
export type SystemName = keyof typeof SYSTEMS;

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
}

export interface Deployed {
  readonly outcome: MachineOutcome;
  readonly seconds: number;
  readonly log: string[];
}

/** Machines, the systems they are given, and a deploy runner's own parts around the real thing. */
export class World {
  readonly lab: Lab;
  readonly systems: Record<SystemName, string>;
  #machines = 0;

  private constructor(lab: Lab, systems: Record<SystemName, string>) {
    this.lab = lab;
    this.systems = systems;
  }

  static async open(): Promise<World> {
    const lab = await startLab();
    try {
      return new World(lab, await lab.builder.build<SystemName>(SYSTEMS));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.lab.close();
  }

  /** One that runs `old`, unless said otherwise. */
  async machine(
    options: { runs?: SystemName; nixMebibytes?: number; forced?: string } = {},
  ): Promise<TestMachine> {
    this.#machines += 1;
    const { runs = "old", ...sizes } = options;
    return await this.lab.machine({
      name: `machine${this.#machines}`,
      system: this.systems[runs],
      ...sizes,
    });
  }

  /** Everything that a job does, from the manifest to the outcome, in this process. */
  async deploy(machine: TestMachine, wanted: SystemName, how: Deploy = {}): Promise<Deployed> {
    const began = performance.now();
    const log: string[] = [];
    const one = await this.work(machine, wanted, how);
    const outcome = await deployOne(
      {
        connect: connectMachine,
        store: this.lab.builder.source,
        env: this.lab.env,
        clock: systemClock,
      },
      {
        ...one,
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
  async work(machine: TestMachine, wanted: SystemName, how: Deploy = {}) {
    const { address, hostPublicKey, identityFile, port } = machine.target;
    const system = this.systems[wanted];
    const of = { host: "github.test", repository: 1, sha: "a".repeat(40), machine: "web" };
    const found = await this.lab.builder.manifest(system, of);
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
      counter: how.counter ?? 1,
      sha: of.sha,
      ref: "refs/heads/main",
      action:
        how.rollback === true
          ? { kind: "generation", number: null, system: null }
          : { kind: "system", system, manifest: head },
      expected: how.expected === undefined ? this.systems.old : how.expected,
      health: [...(how.health ?? [])],
      backup: how.backup === undefined ? null : [...how.backup],
      limits: { ...LIMITS, ...how.limits },
    };
    const listed = policy.machines["web"];
    if (listed === undefined) throw new Error("the policy lost its machine");
    const manifest = how.rollback === true ? null : { text, paths, boot: [] };
    return { work, policy, machine: listed, manifest };
  }
}

const BUILDER = generateKeyPairSync("ed25519").privateKey;

/** The same path with another content, as whoever can write to the runner's store would have signed nothing of. */
function forged<T extends { path: string; narHash: string }>(path: T): T {
  const other = createHash("sha256").update(path.path).digest("base64");
  return path.path.includes("nixos-system") ? { ...path, narHash: `sha256-${other}` } : path;
}
