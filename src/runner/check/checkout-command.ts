import { resolve } from "node:path";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { Isolation } from "../isolation/index.ts";
import type { NixFacts } from "../nix/version.ts";
import { readFacts } from "../nix/version.ts";
import type { Workspace } from "../nix/launch.ts";
import { workspaceOf } from "../nix/workspace.ts";
import { CheckoutProblem } from "./checkout.ts";
import { isolationFor } from "./place.ts";

/** A command of `snowcat` that looks at one checkout, in an isolation and a job of its own. */
export interface CheckoutCommand<Prepared> {
  readonly name: string;
  readonly usage: string;
  /** Its own options, as `--NAME VALUE`, besides those of every such command. */
  readonly options?: readonly string[];
  /** Before there is an isolation. */
  prepare(own: OwnOptions): Promise<Prepared>;
  /** @returns what to print to stdout, and whether all is well. `seconds`: since the command began. */
  look(place: CheckoutPlace, prepared: Prepared): Promise<{ text: string; good: boolean }>;
}

export type OwnOptions = Readonly<Record<string, string | undefined>>;

export interface CheckoutPlace {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  readonly checkout: string;
  /** Null: as the command has it by itself. */
  readonly systems: readonly string[] | null;
  readonly json: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly seconds: () => number;
}

/**
 * @returns the exit code: 0 all is well, 1 it is not, 2 it could not be looked at. Prints the answer to stdout and
 * everything else to stderr.
 */
export async function runOnCheckout<Prepared>(
  command: CheckoutCommand<Prepared>,
  args: readonly string[],
): Promise<number> {
  const began = performance.now();
  const options = readArguments(args, command.options ?? []);
  if (options === "help") {
    process.stdout.write(command.usage);
    return 0;
  }
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${command.usage}`);
    return 2;
  }
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(new Error("stopped by a signal"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  let isolation: Isolation | null = null;
  try {
    const prepared = await command.prepare(options.own);
    isolation = await isolationFor(options);
    const job = await isolation.openJob(command.name);
    try {
      const workspace = workspaceOf(job);
      const { checkout, systems, json } = options;
      const now = (): number => performance.now();
      const seconds = (): number => (now() - began) / 1_000;
      const facts = await readFacts(workspace);
      const { signal } = stop;
      const place = { workspace, facts, checkout, systems, json, signal, now, seconds };
      const { text, good } = await command.look(place, prepared);
      process.stdout.write(`${text}\n`);
      return good ? 0 : 1;
    } finally {
      await job.dispose();
    }
  } catch (error) {
    if (!stop.signal.aborted && !(error instanceof CheckoutProblem)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(
      `snowcat ${command.name}: ${stop.signal.aborted ? "stopped by a signal" : why}\n`,
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
  readonly own: OwnOptions;
}

/** What to do, `help`, or what is wrong with the arguments. */
function readArguments(args: readonly string[], own: readonly string[]): Arguments | string {
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
        ...Object.fromEntries(own.map((name) => [name, { type: "string" }] as const)),
      } satisfies ParseArgsOptionsConfig,
    });
    const all: Readonly<Record<string, unknown>> = values;
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
      own: Object.fromEntries(
        own.map((name) => [name, typeof all[name] === "string" ? all[name] : undefined]),
      ),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
