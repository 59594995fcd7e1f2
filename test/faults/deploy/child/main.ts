import { readFile } from "node:fs/promises";
import { systemClock } from "../../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../../src/runner/deploy/deployer.ts";
import { connectMachine } from "../../../../src/runner/machine/index.ts";

/** A deploy in a process of its own, to be killed: each step is a line, then the outcome. */
const [file = ""] = process.argv.slice(2);
const { one, env, store } = JSON.parse(await readFile(file, "utf8"));
const say = (body: unknown) => void process.stdout.write(`${JSON.stringify(body)}\n`);
const outcome = await deployOne(
  { connect: connectMachine, store, env, clock: systemClock },
  {
    ...one,
    signal: new AbortController().signal,
    seal: () => true,
    resumed: false,
    step: async (step) => say({ step }),
    observed: async () => {},
    say: () => {},
  },
);
say({ outcome });
