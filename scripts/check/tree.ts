import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Tree } from "./gate.ts";
import { execute } from "./execute.ts";

/** Tracked files and those that are neither tracked nor ignored: what the next commit may hold. */
export async function readTree(root: string): Promise<Tree> {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { status, output } = await execute("git", list, root);
  if (status !== 0) throw new Error(`git cannot list the files of ${root}: ${output}`);
  const names = output.split("\0").filter((name) => name !== "");
  // A file deleted but not yet committed is still in git's list.
  const files = [...new Set(names)].filter((name) => existsSync(join(root, name))).toSorted();
  return { root, files };
}
