import type { Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";

/** What Nix would print of a large system: 100 bytes a line, of what is fetched too. */
const OUTPUT_BYTES = 64 * 1_024 * 1_024;

/** Of these derivations and everything below them, those that no cache has: Nix would build them. */
export async function toBeBuilt(
  workspace: Workspace,
  drvs: readonly string[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const result = await workspace.launch({
    argv: ["nix-store", "--realise", "--dry-run", ...drvs],
    network: "none",
    maxOutput: OUTPUT_BYTES,
    signal,
  });
  if (!ended(result) || result.truncated) {
    signal.throwIfAborted();
    throw new Error(
      `asking what is to be built: nix-store --dry-run ${describeLaunch(result)}: ${clean(text(result.stderr)).slice(-500)}`,
    );
  }
  return builtOf(text(result.stderr));
}

/** `these 2 derivations will be built:` and the indented lines that follow. */
export function builtOf(said: string): Set<string> {
  const built = new Set<string>();
  let listing = false;
  for (const line of clean(said).split("\n")) {
    const path = /^\s+(\/nix\/store\/\S+\.drv)$/u.exec(line)?.[1];
    if (path === undefined) listing = /\bwill be built:\s*$/u.test(line);
    else if (listing) built.add(path);
  }
  return built;
}
