import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { agentDirectory, readConfiguration } from "../agent/configuration.ts";
import { CheckoutProblem, isolationFor } from "../check/index.ts";
import type { Isolation } from "../isolation/index.ts";
import { readRoots } from "../nix/roots/table.ts";
import { readFacts } from "../nix/version.ts";
import { workspaceOf } from "../nix/workspace.ts";
import { look } from "./look.ts";
import { healthy, json, words } from "./report.ts";

const USAGE = `usage: snowcat doctor [--json] [--systems SYSTEM[,SYSTEM…]] [--config FILE] [--state DIRECTORY] [--no-isolation] <checkout>

Holds .github/snowcat.yml against the checkout's own evaluation: every attribute, file, machine, test, stage and command
that it names is there. Nothing is built or run.
Exit code: 0 everything is there, 1 something is not, 2 it could not be looked at.

  --json           one line: {ok, problems: [{level, file, line, column, key, message}], seen, roots, seconds}
  --systems        systems of the runners, instead of this machine's
  --config         a runner's configuration: what its store keeps from garbage collection is listed too
  --state          where store and jobs live (root only); kept for the next time
  --no-isolation   run Nix as you, with your files, network and store; for your own checkouts
`;

/** `snowcat doctor …`: @returns the exit code. Prints its answer to stdout and everything else to stderr. */
export async function doctorCommand(args: readonly string[]): Promise<number> {
  const began = performance.now();
  const options = readArguments(args);
  if (options === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${USAGE}`);
    return 2;
  }
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(new Error("stopped by a signal"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  let isolation: Isolation | null = null;
  try {
    const roots =
      options.config === null
        ? null
        : await readRoots(agentDirectory(await readConfiguration(options.config)));
    isolation = await isolationFor(options);
    const job = await isolation.openJob("doctor");
    try {
      const workspace = workspaceOf(job);
      const { checkout, systems } = options;
      const facts = await readFacts(workspace);
      const now = (): number => performance.now();
      const looked = await look({ workspace, facts, checkout, systems, signal: stop.signal, now });
      const examined = { ...looked, roots };
      const seconds = (performance.now() - began) / 1_000;
      process.stdout.write(`${options.json ? json(examined, seconds) : words(examined)}\n`);
      return healthy(examined) ? 0 : 1;
    } finally {
      await job.dispose();
    }
  } catch (error) {
    if (!stop.signal.aborted && !(error instanceof CheckoutProblem)) throw error;
    process.stderr.write(
      `snowcat doctor: ${stop.signal.aborted ? "stopped by a signal" : error instanceof Error ? error.message : String(error)}\n`,
    );
    return 2;
  } finally {
    await isolation?.close();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
  }
}

interface Arguments {
  readonly checkout: string;
  readonly json: boolean;
  readonly systems: readonly string[] | null;
  readonly config: string | null;
  readonly state: string | null;
  readonly isolated: boolean;
}

/** What to do, `help`, or what is wrong with the arguments. */
function readArguments(args: readonly string[]): Arguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        json: { type: "boolean" },
        systems: { type: "string" },
        config: { type: "string" },
        state: { type: "string" },
        "no-isolation": { type: "boolean" },
      },
    });
    if (values.help) return "help";
    const [checkout, ...more] = positionals;
    if (checkout === undefined || more.length > 0) return "name one checkout";
    const systems = values.systems?.split(",").filter((system) => system !== "") ?? null;
    const odd = systems?.find((system) => !/^[a-z0-9_]+-[a-z0-9_]+$/u.test(system));
    if (odd !== undefined) return `${JSON.stringify(odd)} is not a system such as x86_64-linux`;
    return {
      checkout: resolve(checkout),
      json: values.json ?? false,
      systems,
      config: values.config ?? null,
      state: values.state === undefined ? null : resolve(values.state),
      isolated: !values["no-isolation"],
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
