import type { Workspace } from "../launch.ts";
import { whatIsKnown } from "./serve/protocol.ts";
import { validPaths } from "./validity.ts";

/** What the store has registered about a valid path. */
export interface PathInfo {
  /** SHA-256 of its archive, as `sha256-<base64>`. */
  readonly narHash: string;
  readonly narSize: number;
}

/** Hash and size of those of these paths that are valid. */
export async function pathInfos(
  workspace: Workspace,
  paths: Iterable<string>,
  signal: AbortSignal,
): Promise<Map<string, PathInfo>> {
  // Each is a question of its own to the daemon, and those that are not there are many: they are left out at once.
  const valid = await validPaths(workspace, paths, signal);
  return valid.size === 0 ? new Map() : await workspace.store.ask(whatIsKnown([...valid]), signal);
}
