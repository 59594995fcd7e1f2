import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";

/** Links made or removed at once: each is two system calls, and the agent has other things to do. */
const AT_ONCE = 64;

/** One root: what it is called (hashed: names are long, and not everybody's business), and the store path it keeps. */
export interface Link {
  readonly key: string;
  readonly path: string;
}

/** A folder of links that Nix's garbage collector looks through. Plain links to store paths are roots as they are. */
export class Links {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes each link point to its path; one that points elsewhere is replaced in one step, so that neither is lost. */
  async put(folder: string, links: readonly Link[]): Promise<void> {
    const directory = join(this.#root, folder);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await each(links, async ({ key, path }) => {
      const link = join(directory, fileOf(key));
      try {
        await symlink(path, link);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
        await rm(`${link}.new`, { force: true });
        await symlink(path, `${link}.new`);
        await rename(`${link}.new`, link);
      }
    });
  }

  async drop(folder: string, keys: readonly string[]): Promise<void> {
    await each(keys, (key) => rm(join(this.#root, folder, fileOf(key)), { force: true }));
  }

  async dropFolder(folder: string): Promise<void> {
    await rm(join(this.#root, folder), { recursive: true, force: true });
  }

  /** Leaves exactly these, whatever an earlier life of the agent was in the middle of. */
  async sweep(folders: ReadonlyMap<string, readonly Link[]>): Promise<void> {
    for (const name of await readdir(this.#root))
      if (!folders.has(name)) await this.dropFolder(name);
    for (const [folder, links] of folders) {
      const there = new Set(await readdir(join(this.#root, folder)).catch((): string[] => []));
      const wanted = new Set(links.map(({ key }) => fileOf(key)));
      const extra = [...there].filter((file) => !wanted.has(file));
      await each(extra, (file) => rm(join(this.#root, folder, file), { force: true }));
      await this.put(
        folder,
        links.filter(({ key }) => !there.has(fileOf(key))),
      );
    }
  }
}

function fileOf(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 40);
}

async function each<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < list.length; from += AT_ONCE)
    await Promise.all(list.slice(from, from + AT_ONCE).map(work));
}
