import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Files below the folders that hold this text, as they lie on disk. What goes while it is looked at holds nothing. */
export async function filesWith(folders: readonly string[], text: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && (await content(path)).includes(text)) found.push(path);
    }
  }
  return found;
}

async function content(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return Buffer.alloc(0);
    throw error;
  }
}
