import type { Lab } from "../../machines/lab.ts";
import { startLab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import type { SystemSpec } from "../../machines/systems.ts";
import type { Deploy, Deployed } from "./deploying.ts";
import { deployTo, workOn } from "./deploying.ts";

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
    return await deployTo(this.lab, machine.target, this.systems[wanted], {
      expected: this.systems.old,
      ...how,
    });
  }

  /** What a job would be told, and what its runner's policy says of the machine. */
  async work(machine: TestMachine, wanted: SystemName, how: Deploy = {}) {
    return await workOn(this.lab, machine.target, this.systems[wanted], {
      expected: this.systems.old,
      ...how,
    });
  }
}
