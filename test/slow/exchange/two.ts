import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RunningRunner } from "../../support/runner.ts";
import { exchangeFolder } from "../../support/exchange.ts";
import { startStack, type Stack } from "../../support/stack.ts";

const run = promisify(execFile);

/** Two runners of one pool, each with a store of its own: `one` has the feature one, `two` the feature two. */
export type Two = {
  readonly stack: Stack;
  readonly one: RunningRunner;
  readonly two: RunningRunner;
  /** The exchange's folder; null where they have none. */
  readonly exchange: string | null;
  stop(): Promise<void>;
};

const FEATURES = ["one", "two"] as const;

export async function startTwo(options: { exchange: boolean; slots?: number }): Promise<Two> {
  const folder = await exchangeFolder(["one-1", "two-1"]);
  const configuration = (index: 0 | 1) => ({
    features: [FEATURES[index], "both"],
    // Logs of Nix's own tell which builders have run.
    nix: { "system-features": `${FEATURES[index]} both`, "keep-build-log": "true" },
    ...(options.exchange ? { exchange: folder.configuration(index) } : {}),
  });
  const stack = await startStack({ configuration: configuration(0), slots: options.slots ?? 2 });
  const stop = async () => {
    await stack.stop();
    await folder.remove();
  };
  try {
    const two = await stack.addRunner({
      name: "second",
      pool: "trusted",
      configuration: configuration(1),
    });
    return {
      stack,
      one: stack.runner,
      two,
      exchange: options.exchange ? folder.directory : null,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A derivation that needs these features of its machine. */
export function needing(name: string, features: string[], script: string): string {
  const args = `"-c" ${JSON.stringify(script).replaceAll("\\$", "$")}`;
  return `derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ ${args} ]; requiredSystemFeatures = [ ${features.map((one) => `"${one}"`).join(" ")} ]; }`;
}

/** Other bytes each time it is built. */
export const RANDOM = "read x < /proc/sys/kernel/random/uuid; echo $x > $out";

/** A flake of these definitions, with some of them as packages. */
export function flakeOf(
  definitions: Record<string, string>,
  packages: string[],
): Record<string, string> {
  const lines = Object.entries(definitions).map(([name, text]) => `${name} = ${text};`);
  return {
    "flake.nix": `{ outputs = _: let ${lines.join("\n")} in { packages.x86_64-linux = { inherit ${packages.join(" ")}; }; }; }`,
  };
}

/** Store paths of a runner with that name, derivations left out. */
export async function pathsOf(runner: RunningRunner, name: string): Promise<string[]> {
  const names = await readdir(join(runner.nix.root, "nix/store"));
  return names
    .filter((one) => one.slice(33) === name)
    .map((one) => `/nix/store/${one}`)
    .toSorted();
}

export async function bytesOf(runner: RunningRunner, path: string): Promise<string> {
  return await readFile(join(runner.nix.root, path), "utf8");
}

export async function narHash(runner: RunningRunner, path: string): Promise<string> {
  const { stdout } = await run("nix-store", ["--store", runner.nix.url, "--query", "--hash", path]);
  return stdout.trim();
}

/** How many builds of derivations with that name the runner's Nix has kept a log of: one for each builder that ran. */
export async function builds(runner: RunningRunner, name: string): Promise<number> {
  const logs = join(runner.nix.root, "nix/var/log/nix/drvs");
  const names = await readdir(logs, { recursive: true }).catch(() => []);
  return names.filter((one) => one.includes(`-${name}.drv`)).length;
}

/** Text of the exchange's entry about a path, and the file that holds its contents. */
export async function entry(
  exchange: string,
  path: string,
): Promise<{ file: string; text: string; nar: string; save: (text: string) => Promise<void> }> {
  const file = join(exchange, `${path.slice(11, 43)}.narinfo`);
  const text = await readFile(file, "utf8");
  const nar = join(exchange, /^URL: (.*)$/mu.exec(text)?.[1] ?? "");
  return { file, text, nar, save: (changed) => writeFile(file, changed) };
}
