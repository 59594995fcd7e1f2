import * as z from "zod";
import type { Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { invalidPaths } from "./validity.ts";

/** What the store has registered about a valid path. */
export interface PathInfo {
  /** SHA-256 of its archive, as `sha256-<base64>`. */
  readonly narHash: string;
  readonly narSize: number;
}

/** Paths of one process: each may print as many references as it has. */
const PATHS_AT_ONCE = 1_000;
const OUTPUT_BYTES = 256 * 1_024 * 1_024;

const Info = z.object({ narHash: z.string(), narSize: z.number() });
/** Nix 2.8 prints a list, with `valid: false` for what is not there; later versions a table, with null for it. */
const Printed = z.union([
  z.array(z.union([Info.extend({ path: z.string() }), z.object({ valid: z.literal(false) })])),
  z.record(z.string(), Info.nullable()),
]);

/**
 * Hash and size of those of these paths that are valid. One process for many, where they are there: what is not costs
 * Nix 30 ms a path, so unless they are `likely` to be, it is first asked which are.
 */
export async function pathInfos(
  workspace: Workspace,
  paths: Iterable<string>,
  likely: boolean,
  signal: AbortSignal,
): Promise<Map<string, PathInfo>> {
  const wanted = new Set(paths);
  const invalid = likely ? new Set<string>() : await invalidPaths(workspace, wanted, signal);
  const all = [...wanted].filter((path) => !invalid.has(path));
  const found = new Map<string, PathInfo>();
  for (let from = 0; from < all.length; from += PATHS_AT_ONCE) {
    const result = await workspace.launch({
      // Offline: what is not there is not looked for elsewhere.
      argv: ["nix", "path-info", "--offline", "--json", ...all.slice(from, from + PATHS_AT_ONCE)],
      network: "none",
      maxOutput: OUTPUT_BYTES,
      signal,
    });
    if (!ended(result) || result.truncated) {
      signal.throwIfAborted();
      throw new Error(
        `asking the store about ${all.length} outputs: nix path-info ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
      );
    }
    for (const [path, info] of parsePathInfos(text(result.stdout))) found.set(path, info);
  }
  return found;
}

export function parsePathInfos(json: string): Map<string, PathInfo> {
  const printed = Printed.parse(JSON.parse(json));
  const entries = Array.isArray(printed)
    ? printed.flatMap((info) => ("path" in info ? [[info.path, info] as const] : []))
    : Object.entries(printed).flatMap(([path, info]) =>
        info === null ? [] : ([[path, info]] as const),
      );
  return new Map(
    entries.map(([path, { narHash, narSize }]) => [
      path.startsWith("/") ? path : `/nix/store/${path}`,
      { narHash, narSize },
    ]),
  );
}
