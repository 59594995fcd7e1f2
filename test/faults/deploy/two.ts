import type { DeployStep } from "../../../src/protocol/machine.ts";
import type { Fault } from "./row.ts";
import { judged } from "./row.ts";

/** Two control planes' worth of confusion: two deploys of two repositories begin at once. One wins, the other touches nothing. */
export const race: Fault = {
  name: "two deploys from two repositories racing for one machine",
  play: async (world) => {
    const machine = await world.machine();
    const [first, second] = await Promise.all([
      world.deploy(machine, "good", { counter: 1 }),
      world.deploy(machine, "newer", { counter: 2 }),
    ]);
    const winner = second.outcome.kind === "active" ? second : first;
    const loser = winner === second ? first : second;
    const name = winner === second ? "newer" : "good";
    const row = await judged(world, race.name, machine, world.systems.old, winner, {
      kinds: ["active"],
      runs: [name],
    });
    const lost = loser.outcome.kind;
    const verdict = `${row.verdict}; the other: ${lost}`;
    return {
      ...row,
      verdict,
      truthful: row.truthful && (lost === "failed-untouched" || lost === "held"),
    };
  },
};

/** A runner stops for a while before a step, and goes on when another has deployed something newer, or has tried to. */
export function late(step: DeployStep): Fault {
  const name = `an old runner wakes up at ${step} after a newer deploy`;
  return {
    name,
    play: async (world) => {
      const machine = await world.machine();
      let newer: Awaited<ReturnType<typeof world.deploy>> | null = null;
      const older = await world.deploy(machine, "good", {
        counter: 1,
        onStep: async (begun) => {
          if (begun === step)
            newer = await world.deploy(machine, "newer", { counter: 2, expected: null });
        },
      });
      const row = await judged(world, name, machine, world.systems.old, older, {
        kinds: ["failed-untouched"],
        runs: ["newer"],
      });
      const second =
        (newer as Awaited<ReturnType<typeof world.deploy>> | null)?.outcome.kind ?? "never begun";
      return {
        ...row,
        verdict: `${row.verdict}; the newer one: ${second}`,
        working: row.working && second === "active",
      };
    },
  };
}
