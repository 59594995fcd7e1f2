import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Isolation } from "../isolation/index.ts";
import { readFacts } from "../nix/version.ts";
import { workspaceOf } from "../nix/workspace.ts";
import { CheckoutProblem } from "./checkout.ts";
import { check } from "./pipeline.ts";
import { isolationFor } from "./place.ts";
import { json, passed, words } from "./report.ts";

const USAGE = `usage: snowcat check [--json] [--systems SYSTEM[,SYSTEM…]] [--state DIRECTORY] [--no-isolation] <checkout>

Evaluates and builds a checkout as a runner would, and says what the checks would say.
Exit code: 0 every required attribute succeeded, 1 one did not, 2 it could not be looked at.

  --json           one line: {attributes: [{name, system, drv, verdict, seconds, log_tail}], seconds}
  --systems        required systems, instead of the configuration's or this machine's
  --state          where store and jobs live (root only); kept between checks
  --no-isolation   run Nix as you, with your files, network and store; for your own checkouts
`;

/** `snowcat check …`: @returns the exit code. Prints its answer to stdout and everything else to stderr. */
export async function checkCommand(args: readonly string[]): Promise<number> {
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
    isolation = await isolationFor(options);
    const job = await isolation.openJob("check");
    try {
      const workspace = workspaceOf(job);
      const facts = await readFacts(workspace);
      const { rows, warnings, findings } = await check({
        workspace,
        facts,
        checkout: options.checkout,
        systems: options.systems,
        signal: stop.signal,
        now: () => performance.now(),
        say: (line) => void (options.json || process.stderr.write(`${line}\n`)),
      });
      const seconds = (performance.now() - began) / 1_000;
      process.stdout.write(
        `${options.json ? json(rows, seconds) : words(rows, warnings, findings, seconds)}\n`,
      );
      return passed(rows) ? 0 : 1;
    } finally {
      await job.dispose();
    }
  } catch (error) {
    if (!stop.signal.aborted && !(error instanceof CheckoutProblem)) throw error;
    process.stderr.write(
      `snowcat check: ${stop.signal.aborted ? "stopped by a signal" : error instanceof Error ? error.message : String(error)}\n`,
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
      state: values.state === undefined ? null : resolve(values.state),
      isolated: !values["no-isolation"],
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
