import { parseArgs } from "node:util";
import { agentDirectory, readConfiguration } from "../agent/configuration.ts";
import { readRoots } from "../nix/roots/table.ts";
import { EXIT, UsageError } from "./exit.ts";

/** `snowcat roots`: what the runner's store keeps from garbage collection, by repository and branch. */
export async function rootsCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: "string" }, json: { type: "boolean" } },
  });
  if (values.config === undefined) throw new UsageError("roots needs --config FILE");
  const kept = await readRoots(agentDirectory(await readConfiguration(values.config)));
  const branches = kept.toSorted((a, b) => b.at - a.at);
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(branches)}\n`);
    return EXIT.ok;
  }
  for (const { repository, name, ref, at, roots } of branches)
    process.stdout.write(
      `${printable(name)} (${repository})  ${printable(ref)}  ${roots.length} outputs, good last ${new Date(at).toISOString()}\n`,
    );
  const all = branches.reduce((sum, { roots }) => sum + roots.length, 0);
  process.stdout.write(`${all} outputs of ${branches.length} branches are kept\n`);
  return EXIT.ok;
}

/** Names of branches are written by strangers; a terminal takes some characters for orders. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");
}
