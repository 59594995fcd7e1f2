import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ManifestPath } from "../../../protocol/machine.ts";

/** Left free whatever is brought: Nix's database, logs, the machine's own work (bytes). */
const RESERVE = 64 * 1_024 * 1_024;
/** A store path holds one file or thousands; of each so many are asked for, beside a reserve. */
const INODES = { path: 16, reserve: 512 } as const;
/** A boot entry itself (bytes). */
const ENTRY = 1_024 * 1_024;

/** A file that a boot loader copies to /boot, with the store path that it is of. */
export type BootFile = { readonly path: string; readonly bytes: number };

/** Kernel and initrd of a system in this runner's store; fewer where it has none. */
export async function bootFiles(system: string): Promise<BootFile[]> {
  const found = await Promise.all(
    ["kernel", "initrd"].map(async (name) => {
      try {
        const file = await realpath(join(system, name));
        const { size } = await stat(file);
        return [{ path: file.split("/").slice(0, 4).join("/"), bytes: size }];
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
        throw error;
      }
    }),
  );
  return found.flat();
}

/** What must be free for what the machine lacks. */
export function neededSpace(
  paths: readonly ManifestPath[],
  missing: ReadonlySet<string>,
  boot: readonly BootFile[],
): { nixBytes: number; nixInodes: number; bootBytes: number } {
  const lacking = paths.filter(({ path }) => missing.has(path));
  return {
    nixBytes: lacking.reduce((sum, { narSize }) => sum + narSize, RESERVE),
    nixInodes: lacking.length * INODES.path + INODES.reserve,
    bootBytes: boot
      .filter(({ path }) => missing.has(path))
      .reduce((sum, { bytes }) => sum + bytes, ENTRY),
  };
}
