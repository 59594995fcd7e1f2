import { setTimeout as sleep } from "node:timers/promises";
import type { DeployStep } from "../../../src/protocol/machine.ts";
import type { TestMachine } from "../../machines/machine.ts";
import type { Expected, Fault } from "./row.ts";
import { judged } from "./row.ts";
import { killed, KILLED_AT } from "./killed.ts";
import { late, race } from "./two.ts";
import type { Deploy } from "./deploying.ts";
import type { SystemName, World } from "./world.ts";

const AT_OLD: Expected["runs"] = ["old"];

/** A deploy with something done to its machine when a step begins. */
function during(
  name: string,
  wanted: SystemName,
  step: DeployStep | null,
  disturb: (machine: TestMachine) => Promise<void>,
  expected: Expected,
  options: Deploy & Parameters<World["machine"]>[0] = {},
): Fault {
  return {
    name,
    play: async (world) => {
      const machine = await world.machine(options);
      const before = world.systems[options.runs ?? "old"];
      const disturbed: Promise<void>[] = [];
      const deployed = await world.deploy(machine, wanted, {
        expected: before,
        ...options,
        onStep: (begun) => {
          // Beside the step, not before it; and once, whatever is gone through again.
          if (begun === step && disturbed.length === 0) disturbed.push(disturb(machine));
        },
      });
      await Promise.all(disturbed);
      return await judged(world, name, machine, before, deployed, expected);
    },
  };
}

const plain = (
  name: string,
  wanted: SystemName,
  expected: Expected,
  options: Deploy & Parameters<World["machine"]>[0] = {},
) => during(name, wanted, null, async () => {}, expected, options);

const cutFor = (afterMs: number, seconds: number) => async (machine: TestMachine) => {
  await sleep(afterMs);
  await machine.linkDown();
  await sleep(seconds * 1_000);
  await machine.linkUp();
};
const killSshd = (afterMs: number) => async (machine: TestMachine) => {
  await sleep(afterMs);
  machine.killSshd();
};
const powerCut = (afterMs: number) => async (machine: TestMachine) => {
  await sleep(afterMs);
  await machine.powerCut();
  await machine.powerOn();
};

const active = (name: SystemName): Expected => ({ kinds: ["active"], runs: [name] });
const untouched: Expected = { kinds: ["failed-untouched"], runs: AT_OLD };
const back: Expected = { kinds: ["rolled-back"], runs: AT_OLD };
const tcp = (machine: { address: string; port: number }) =>
  ({
    kind: "tcp",
    host: machine.address,
    port: machine.port,
    graceSeconds: 2,
    intervalSeconds: 0.5,
    timeoutSeconds: 1,
  }) as const;

/** The machine's own ways to fail, and the link's. */
export const faults: readonly Fault[] = [
  plain("none", "good", active("good")),
  during(
    "link cut before activation, in the copy, back after 3 s",
    "heavy",
    "copy",
    cutFor(150, 3),
    active("heavy"),
  ),
  during(
    "link cut before activation, in the copy, for longer than is waited",
    "heavy",
    "copy",
    cutFor(150, 25),
    untouched,
  ),
  during(
    "link cut during activation, back after 3 s",
    "lengthy",
    "activate",
    cutFor(900, 3),
    active("lengthy"),
  ),
  during(
    "link cut during activation, for longer than both limits",
    "lengthy",
    "activate",
    cutFor(900, 20),
    back,
  ),
  during(
    "link cut after activation, back after 2 s",
    "good",
    "confirm",
    cutFor(0, 2),
    active("good"),
  ),
  during(
    "link cut after activation, for longer than the limit",
    "good",
    "confirm",
    cutFor(0, 18),
    back,
  ),
  during("link cut in the commit", "good", "commit", cutFor(0, 4), {
    kinds: ["active", "rolled-back"],
    runs: ["good", "old"],
  }),
  during("sshd killed in the copy", "heavy", "copy", killSshd(250), active("heavy")),
  during("sshd killed during activation", "lengthy", "activate", killSshd(900), active("lengthy")),
  plain("disk full: known before", "heavy", untouched, { nixMebibytes: 60 }),
  during(
    "disk full: in the copy",
    "heavy",
    "copy",
    async (machine) =>
      void (await machine.shell("sh", "-c", "head -c 200000000 /dev/zero > /nix/fill || true")),
    untouched,
    { nixMebibytes: 150 },
  ),
  plain("activation exit 4, the failed unit had failed before", "oldFailed", active("oldFailed"), {
    runs: "oldAndFailed",
  }),
  plain("activation exit 4, a unit failed that had not", "newlyFailed", back),
  plain("activation exit 1", "exit1", back),
  plain("a system that loses its network when activated", "deaf", back),
  plain("a ten-minute activation (60 s), above its limit (6 s)", "slow", back),
  plain("a ten-minute activation (2 s), below its limit (6 s)", "lengthy", active("lengthy")),
  plain("dry activation fails", "undry", untouched),
  plain("the boot entry cannot be written", "unbootable", {
    kinds: ["bootloader"],
    runs: ["unbootable"],
    boots: "old",
  }),
  plain("plan stale because the machine moved", "good", untouched, {
    expected: "/nix/store/00000000000000000000000000000000-planned",
  }),
  plain("a forged output of the same path", "good", untouched, { forge: true }),
  plain("a declared backup fails", "good", untouched, { backup: ["false"] }),
  {
    name: "a sick system: its health check fails",
    play: async (world) => {
      const machine = await world.machine();
      const deployed = await world.deploy(machine, "good", {
        health: [tcp({ address: machine.target.address, port: 81 })],
      });
      return await judged(
        world,
        "a sick system: its health check fails",
        machine,
        world.systems.old,
        deployed,
        back,
      );
    },
  },
  {
    name: "another machine at the address (host key)",
    play: async (world) => {
      const machine = await world.machine();
      const other = await world.machine();
      const taken = Object.create(machine, {
        target: { value: { ...machine.target, hostPublicKey: other.target.hostPublicKey } },
      });
      const deployed = await world.deploy(taken, "good");
      return await judged(
        world,
        "another machine at the address (host key)",
        machine,
        world.systems.old,
        deployed,
        untouched,
      );
    },
  },
  ...(["copy", "verify", "dry-activate"] as const).map((step) => cancelled(step, untouched)),
  ...(["activate", "confirm", "commit"] as const).map((step) => cancelled(step, active("good"))),
  {
    name: "taken back to the generation before",
    play: async (world) => {
      const name = "taken back to the generation before";
      const machine = await world.machine();
      await world.deploy(machine, "good");
      const deployed = await world.deploy(machine, "old", {
        counter: 2,
        expected: world.systems.good,
        rollback: true,
      });
      return await judged(world, name, machine, world.systems.good, deployed, active("old"));
    },
  },
  // It is back before its runner gives up, and nothing was lost.
  ...KILLED_AT.map(([step, afterMs, wanted, expected]) => killed(step, afterMs, wanted, expected)),
  race,
  late("dry-activate"),
  late("activate"),
  during("power cut before activation", "good", "dry-activate", powerCut(0), active("good")),
  during("power cut during activation", "lengthy", "activate", powerCut(1_200), back),
  during("power cut after activation, before the boot entry", "good", "confirm", powerCut(0), back),
  during(
    "power cut when the boot entry is written",
    "good",
    "read-back",
    powerCut(0),
    active("good"),
  ),
];

function cancelled(step: DeployStep, expected: Expected): Fault {
  const name = `cancelled at ${step}`;
  return {
    name,
    play: async (world) => {
      const machine = await world.machine();
      const cancel = new AbortController();
      const deployed = await world.deploy(machine, "good", {
        signal: cancel.signal,
        onStep: (begun) => {
          if (begun === step) cancel.abort(new Error("cancelled"));
        },
      });
      return await judged(world, name, machine, world.systems.old, deployed, expected);
    },
  };
}
