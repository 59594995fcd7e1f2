import { createHash } from "node:crypto";
import type { RootChange } from "./journal.ts";
import { Journal } from "./journal.ts";
import type { Link } from "./links.ts";
import { Links } from "./links.ts";

/** A branch of a repository. */
export interface Branch {
  readonly repository: number;
  /** `owner/name`, for people. */
  readonly name: string;
  /** `refs/heads/main`. */
  readonly ref: string;
}

/** An output of an attribute that was good. */
export interface Good {
  readonly attribute: string;
  readonly output: string;
  readonly path: string;
}

/** A branch with what is kept for it. */
export interface Kept extends Branch {
  /** When something of it was good last (Unix ms). */
  readonly at: number;
  readonly roots: readonly Good[];
}

/** A branch nothing of which was good for so long keeps nothing (ms). */
const EXPIRES = 90 * 24 * 3_600_000;
/** Roots of one runner; above it the branch that was good the longest ago goes first. A garbage collection reads them all. */
const MOST = 200_000;
/** The journal is written anew when it has grown by this (bytes). */
const GROWTH = 8 * 1_024 * 1_024;

type Row = Omit<Kept, "roots"> & { at: number; roots: Map<string, Good> };

/**
 * What a runner's store keeps: for each branch and attribute the outputs that were good last. One table, one folder of
 * links; both are bounded. One agent writes; `snowcat roots` reads.
 */
export class RootTable {
  readonly #journal: Journal;
  readonly #links: Links;
  readonly #branches: Map<string, Row>;
  readonly #most: number;
  #written = 0;
  #chain: Promise<unknown> = Promise.resolve();

  private constructor(journal: Journal, links: Links, branches: Map<string, Row>, most: number) {
    this.#journal = journal;
    this.#links = links;
    this.#branches = branches;
    this.#most = most;
  }

  /**
   * Takes up what an earlier life left: what has expired goes, and the folder is made to say what the table says.
   * @param directory the agent's.
   * @param links a folder of the store's `gcroots` that this process may write.
   */
  static async open(
    directory: string,
    links: string,
    now: number,
    most = MOST,
  ): Promise<RootTable> {
    const journal = new Journal(directory);
    const branches = replay(await journal.read());
    for (const [key, { at }] of branches) if (now - at > EXPIRES) branches.delete(key);
    const table = new RootTable(journal, new Links(links), branches, most);
    await table.#links.sweep(
      new Map([...branches].map(([key, row]) => [key, [...row.roots].map(linkOf)])),
    );
    await table.#compact();
    return table;
  }

  list(): Kept[] {
    return listed(this.#branches);
  }

  /** Whether this very output is kept already: then it is in the store. */
  keeps(branch: Branch, one: Good): boolean {
    return this.#branches.get(folderOf(branch))?.roots.get(keyOf(one))?.path === one.path;
  }

  /** These are good now: they take the place of what the attributes had. What has not changed costs nothing. */
  async keep(branch: Branch, good: readonly Good[], at: number): Promise<void> {
    await this.#serial(async () => {
      const row = this.#row(branch, at);
      const news = good.filter((one) => row.roots.get(keyOf(one))?.path !== one.path);
      if (news.length === 0) return;
      await this.#links.put(
        folderOf(branch),
        news.map((one) => linkOf([keyOf(one), one])),
      );
      for (const one of news) row.roots.set(keyOf(one), one);
      await this.#write({ ...row, at, roots: news.map(spelled) });
      await this.#bound(row);
    });
  }

  /** A whole evaluation has these attributes and no others: what the branch has lost is kept no longer. */
  async retain(branch: Branch, attributes: ReadonlySet<string>, at: number): Promise<void> {
    await this.#serial(async () => {
      const row = this.#row(branch, at);
      const lost = [...row.roots].filter(([, { attribute }]) => !attributes.has(attribute));
      if (lost.length === 0) return;
      await this.#links.drop(
        folderOf(branch),
        lost.map(([key]) => key),
      );
      for (const [key] of lost) row.roots.delete(key);
      await this.#write({
        ...row,
        at,
        roots: lost.map(([, { attribute, output }]) => [attribute, output, null]),
      });
    });
  }

  /** The branch is closed. */
  async release(branch: Omit<Branch, "name">): Promise<void> {
    await this.#serial(async () => {
      const row = this.#branches.get(folderOf(branch));
      if (row !== undefined) await this.#forget(row);
    });
  }

  /** Those whose ref begins so and of which nothing was good since `before` (Unix ms) keep nothing any more. */
  async expire(prefix: string, before: number): Promise<void> {
    await this.#serial(async () => {
      for (const row of this.#branches.values())
        if (row.ref.startsWith(prefix) && row.at < before) await this.#forget(row);
    });
  }

  async #forget(row: Row): Promise<void> {
    this.#branches.delete(folderOf(row));
    await this.#links.dropFolder(folderOf(row));
    await this.#write({ ...row, roots: [], gone: true });
  }

  /** Oldest out, but never the one that has just been good. */
  async #bound(newest: Row): Promise<void> {
    let all = [...this.#branches.values()].reduce((sum, { roots }) => sum + roots.size, 0);
    const oldest = [...this.#branches.values()].toSorted((a, b) => a.at - b.at);
    for (const row of oldest) {
      if (all <= this.#most) return;
      if (row === newest) continue;
      all -= row.roots.size;
      await this.#forget(row);
    }
  }

  #row(branch: Branch, at: number): Row {
    const key = folderOf(branch);
    const row = this.#branches.get(key) ?? { ...branch, at, roots: new Map<string, Good>() };
    row.at = at;
    this.#branches.set(key, row);
    return row;
  }

  async #write({ repository, name, ref, at, roots, gone }: RootChange): Promise<void> {
    const change: RootChange = { repository, name, ref, at, roots, ...(gone ? { gone } : {}) };
    await this.#journal.append(change);
    this.#written += JSON.stringify(change).length;
    if (this.#written > GROWTH) await this.#compact();
  }

  async #compact(): Promise<void> {
    await this.#journal.rewrite(
      [...this.#branches.values()].map(({ repository, name, ref, at, roots }) => ({
        repository,
        name,
        ref,
        at,
        roots: [...roots.values()].map(spelled),
      })),
    );
    this.#written = 0;
  }

  async #serial(work: () => Promise<void>): Promise<void> {
    const run = this.#chain.then(work);
    this.#chain = run.catch(() => undefined);
    await run;
  }
}

/** What the agent in this directory keeps, without touching anything. */
export async function readRoots(directory: string): Promise<Kept[]> {
  return listed(replay(await new Journal(directory).read()));
}

function listed(branches: ReadonlyMap<string, Row>): Kept[] {
  return [...branches.values()].map((row) => ({ ...row, roots: [...row.roots.values()] }));
}

function replay(changes: readonly RootChange[]): Map<string, Row> {
  const branches = new Map<string, Row>();
  for (const { repository, name, ref, at, roots, gone } of changes) {
    const key = folderOf({ repository, ref });
    if (gone) {
      branches.delete(key);
      continue;
    }
    const row = branches.get(key) ?? { repository, name, ref, at, roots: new Map<string, Good>() };
    branches.set(key, { ...row, name, at });
    for (const [attribute, output, path] of roots) {
      if (path === null) row.roots.delete(keyOf({ attribute, output }));
      else row.roots.set(keyOf({ attribute, output }), { attribute, output, path });
    }
  }
  return branches;
}

function spelled({ attribute, output, path }: Good): [string, string, string] {
  return [attribute, output, path];
}

function keyOf({ attribute, output }: Pick<Good, "attribute" | "output">): string {
  return JSON.stringify([attribute, output]);
}

function linkOf([key, { path }]: readonly [string, Good]): Link {
  return { key, path };
}

/** One folder for each branch; a branch's name may hold anything. */
function folderOf({ repository, ref }: Omit<Branch, "name">): string {
  return `${repository}-${createHash("sha256").update(ref).digest("hex").slice(0, 32)}`;
}
