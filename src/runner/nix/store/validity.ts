import type { Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";

/** Paths of one process: the kernel takes 2 MB of arguments in all. */
const PATHS_AT_ONCE = 5_000;

/** Which of these store paths are not valid (not there, or not registered). One process for thousands. */
export async function invalidPaths(
  workspace: Workspace,
  paths: Iterable<string>,
  signal: AbortSignal,
): Promise<Set<string>> {
  const all = [...new Set(paths)];
  const invalid = new Set<string>();
  for (let from = 0; from < all.length; from += PATHS_AT_ONCE) {
    const some = all.slice(from, from + PATHS_AT_ONCE);
    const result = await workspace.launch({
      argv: ["nix-store", "--check-validity", "--print-invalid", ...some],
      network: "none",
      maxOutput: PATHS_AT_ONCE * 300,
      signal,
    });
    if (!ended(result)) {
      signal.throwIfAborted();
      throw new Error(
        `asking the store which outputs are valid: nix-store ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
      );
    }
    for (const line of text(result.stdout).split("\n")) if (line !== "") invalid.add(line);
  }
  return invalid;
}
