import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

/** Why the runner itself ended a build. */
export const BuildEnding = z.strictObject({
  /** Another for each ending: a derivation may be tried again. */
  id: z.string(),
  kind: z.enum(["out-of-memory", "out-of-disk"]),
  /** The limit that was passed (bytes). */
  limitBytes: z.number(),
  /** The same for people. */
  said: z.string(),
});
export type BuildEnding = z.output<typeof BuildEnding>;

/** An ending is read by the batch that built it, at the latest when that ends. Older ones go (ms). */
const KEPT = 24 * 60 * 60_000;

/** Root writes it, where only root can, before the builder is killed; `drv` is the derivation's base name. */
export async function tellEnding(
  directory: string,
  drv: string,
  ending: Omit<BuildEnding, "id">,
): Promise<void> {
  for (const name of await readdir(directory)) {
    const { mtimeMs } = await stat(join(directory, name));
    if (Date.now() - mtimeMs > KEPT) await rm(join(directory, name), { force: true });
  }
  const id = randomUUID();
  const unfinished = join(directory, `.${id}`);
  await writeFile(unfinished, JSON.stringify({ id, ...ending }), { mode: 0o644 });
  await rename(unfinished, join(directory, drv));
}

/** All that are known, by the derivation's base name. */
export async function readEndings(directory: string): Promise<Map<string, BuildEnding>> {
  const found = new Map<string, BuildEnding>();
  for (const drv of await readdir(directory)) {
    if (drv.startsWith(".")) continue;
    const text = await readFile(join(directory, drv), "utf8").catch(gone);
    if (text !== null) found.set(drv, BuildEnding.parse(JSON.parse(text)));
  }
  return found;
}

function gone(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
