import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../process/index.ts";
import type { Layout } from "../layout.ts";
import { ROOT_PATH } from "../store.ts";

/** Fewer free inodes than this is a full disk as well. */
const INODES = 10_000;
/** Measuring a build takes no longer (ms): whoever has so many files is the one. */
const MEASURED_WITHIN = 5_000;

/** What the disk lacks, or null while there is enough. */
export async function shortOf(root: string, freeBytes: number): Promise<"bytes" | "files" | null> {
  const { bavail, bsize, files, ffree } = await statfs(root);
  if (bavail * bsize < freeBytes) return "bytes";
  // File systems that make inodes as they need them say 0.
  return files > 0 && ffree < Math.min(INODES, files / 10) ? "files" : null;
}

/** What a build has written: its working folder and the outputs that are not registered yet. Bytes, or files. */
export async function written(
  paths: Layout,
  build: { uid: number; drv: string | null },
  what: "bytes" | "files",
): Promise<number> {
  const store = join(paths.storeRoot, "nix");
  const folders = [
    ...(build.drv === null ? [] : [join(store, "store", `${build.drv}.chroot`)]),
    ...(await ownedBy(build.uid, paths.builds)),
    ...(await ownedBy(build.uid, join(store, "var/nix/builds"))),
  ];
  if (folders.length === 0) return 0;
  const count = what === "bytes" ? ["--block-size=1"] : ["--inodes"];
  const result = await run(
    ["du", "--summarize", "--total", "--one-file-system", ...count, "--", ...folders],
    { env: { PATH: ROOT_PATH }, timeoutMs: MEASURED_WITHIN },
  );
  if (result.timedOut) return Number.POSITIVE_INFINITY;
  // Exit 1: something went away meanwhile. The total stands all the same.
  const total = /^(\d+)\ttotal$/mu.exec(new TextDecoder().decode(result.stdout))?.[1];
  return Number(total ?? 0);
}

/** Later versions of Nix keep the builder's folder in one of root's. */
async function ownedBy(uid: number, directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    for (const path of [join(directory, name), join(directory, name, "build")]) {
      const owner = (await stat(path).catch(() => null))?.uid;
      if (owner !== uid) continue;
      found.push(path);
      break;
    }
  }
  return found;
}
