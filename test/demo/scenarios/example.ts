import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Tree } from "./flakes.ts";

/** The files of one of `nix/examples`, as a first commit. */
export async function example(name: string): Promise<Tree> {
  const folder = join(import.meta.dirname, "../../../nix/examples", name);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(folder, path), await readFile(path, "utf8")] as const;
    });
  return Object.fromEntries(await Promise.all(files));
}
