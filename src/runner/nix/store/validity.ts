import type { Workspace } from "../launch.ts";
import { whichAreValid } from "./serve/protocol.ts";

/** Which of these store paths are valid: there, and registered. */
export async function validPaths(
  workspace: Workspace,
  paths: Iterable<string>,
  signal: AbortSignal,
): Promise<Set<string>> {
  const all = [...new Set(paths)];
  return all.length === 0 ? new Set() : await workspace.store.ask(whichAreValid(all), signal);
}

/** Which of these store paths are not valid. */
export async function invalidPaths(
  workspace: Workspace,
  paths: Iterable<string>,
  signal: AbortSignal,
): Promise<Set<string>> {
  const all = new Set(paths);
  return all.difference(await validPaths(workspace, all, signal));
}
