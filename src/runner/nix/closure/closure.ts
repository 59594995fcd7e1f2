import * as z from "zod";
import type { Sized } from "../../../core/impact/index.ts";
import type { Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";

/** A NixOS system has some thousand paths, each with its references. */
const OUTPUT_BYTES = 128 * 1_024 * 1_024;

const Info = z.object({ narSize: z.number() });
/** Nix 2.8 prints a list; later versions a table. */
const Printed = z.union([z.array(Info.extend({ path: z.string() })), z.record(z.string(), Info)]);

/** Every path that these need at run time, with the size of its archive. All of them must be valid. */
export async function closureOf(
  workspace: Workspace,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Sized[]> {
  const result = await workspace.launch({
    argv: ["nix", "path-info", "--offline", "--json", "--recursive", ...paths],
    network: "none",
    maxOutput: OUTPUT_BYTES,
    signal,
  });
  if (ended(result) && !result.truncated) return parseClosure(text(result.stdout));
  signal.throwIfAborted();
  throw new Error(
    `reading the closure of ${paths[0] ?? "nothing"}: nix path-info ${describeLaunch(result)}${result.truncated ? ", and printed too much" : ""}: ${clean(text(result.stderr)).slice(-500)}`,
  );
}

function parseClosure(json: string): Sized[] {
  const printed = Printed.parse(JSON.parse(json));
  const entries = Array.isArray(printed)
    ? printed.map((info) => [info.path, info] as const)
    : Object.entries(printed);
  return entries.map(([path, { narSize }]) => ({
    path: path.startsWith("/") ? path : `/nix/store/${path}`,
    bytes: narSize,
  }));
}
