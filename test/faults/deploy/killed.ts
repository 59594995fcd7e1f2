import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { judgeLost } from "../../../src/core/deploy/lost.ts";
import type { DeployStep, MachineOutcome } from "../../../src/protocol/machine.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import type { TestMachine } from "../../machines/machine.ts";
import { until } from "../../machines/machine.ts";
import type { Expected, Fault } from "./row.ts";
import { judged } from "./row.ts";
import { LIMITS } from "./deploying.ts";
import type { SystemName, World } from "./world.ts";

const OLD: Expected = { kinds: ["failed-untouched"], runs: ["old"] };
const BACK: Expected = { kinds: ["rolled-back"], runs: ["old"] };

/** Steps, how far into them (ms), what is deployed, how it must end. */
export const KILLED_AT: readonly (readonly [DeployStep, number, SystemName, Expected])[] = [
  ["begin", 0, "good", OLD],
  ["space", 0, "good", OLD],
  ["copy", 250, "heavy", OLD],
  ["verify", 0, "good", { kinds: ["failed-untouched", "rolled-back"], runs: ["old"] }],
  ["dry-activate", 0, "good", { kinds: ["failed-untouched", "rolled-back"], runs: ["old"] }],
  ["activate", 1_000, "lengthy", BACK],
  ["confirm", 0, "good", BACK],
  ["health", 0, "good", BACK],
  ["commit", 0, "good", { kinds: ["rolled-back", "active"], runs: ["old", "good"] }],
  ["read-back", 0, "good", { kinds: ["active"], runs: ["good"] }],
];

/**
 * The runner's process is killed in a step, with its connections. Nobody runs the deploy again: the machine is looked at when
 * its own limits are over, and judged by what it proves; the next deploy finds it free.
 */
export function killed(
  step: DeployStep,
  afterMs: number,
  wanted: SystemName,
  expected: Expected,
): Fault {
  const name = `runner SIGKILLed at ${step}`;
  return {
    name,
    play: async (world) => {
      const began = performance.now();
      const machine = await world.machine();
      const before = world.systems.old;
      const { one, last } = await runAndKill(world, machine, wanted, step, afterMs);
      // The runner's next life; and, where there is none, what another runner's look proves. They may not contradict.
      const observed = await settled(world, machine);
      const proved = judgeLost(
        {
          system: world.systems[wanted],
          before,
          step: last,
          method: "plain",
          counter: one.work.counter,
        },
        observed,
      );
      const resumed = await world.deploy(machine, wanted, { resumed: true });
      const { outcome } = resumed;
      const seconds = (performance.now() - began) / 1_000;
      const row = await judged(world, name, machine, before, { ...resumed, seconds }, expected);
      if (proved.kind !== "unknown" && proved.kind !== outcome.kind)
        return { ...row, truthful: false, detail: JSON.stringify({ proved, outcome }) };
      const next = await world.deploy(machine, "newer", { counter: 2, expected: null });
      if (next.outcome.kind === "active") return row;
      return { ...row, working: false, detail: `the next deploy: ${JSON.stringify(next)}` };
    },
  };
}

async function runAndKill(
  world: World,
  machine: TestMachine,
  wanted: SystemName,
  step: DeployStep,
  afterMs: number,
) {
  const one = await world.work(machine, wanted);
  const file = join(machine.place.directory, "deploy.json");
  const { env, builder } = world.lab;
  await writeFile(file, JSON.stringify({ one, env, store: builder.source }));
  const child = spawn(process.execPath, [join(import.meta.dirname, "child/main.ts"), file], {
    env: { ...env, NODE_NO_WARNINGS: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last: DeployStep | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const said: { step?: DeployStep; outcome?: MachineOutcome } = JSON.parse(line);
    if (said.outcome !== undefined) throw new Error(`it ended before ${step}: ${line}`);
    last = said.step ?? last;
    if (last === step) break;
  }
  await sleep(afterMs);
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return { one, last };
}

/** What the machine says when nothing of the deploy goes on there any more. */
async function settled(world: World, machine: TestMachine) {
  const client = await connectMachine(machine.target, {
    connectSeconds: LIMITS.connectSeconds,
    now: () => Date.now(),
    env: world.lab.env,
  });
  try {
    await until(
      "the machine goes on by itself",
      async () => {
        const state = await client.state();
        return state.kind === "done" && state.value?.alive !== true;
      },
      60_000,
    );
    const seen = await client.observe();
    if (seen.kind !== "done") throw new Error(`not observed: ${seen.why}`);
    return seen.value;
  } finally {
    await client.close();
  }
}
