import { appendFile, open, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { StorePath } from "../../../protocol/identifiers.ts";

/** A change of one branch's roots: `[attribute, output, path]`, a path of null takes it out. Times are Unix ms. */
export const RootChange = z.strictObject({
  repository: z.int().positive(),
  /** For people: `owner/name` as it was then. */
  name: z.string(),
  ref: z.string(),
  at: z.int(),
  roots: z.array(z.tuple([z.string(), z.string(), StorePath.nullable()])),
  /** The branch as a whole: all its roots go. */
  gone: z.boolean().optional(),
});
export type RootChange = z.infer<typeof RootChange>;

const FILE = "roots.ndjson";

/** What was changed, in order, beneath the agent's directory. */
export class Journal {
  readonly #path: string;

  constructor(directory: string) {
    this.#path = join(directory, FILE);
  }

  /** A line that a crash cut short is left out: what it said is said again by the next run. */
  async read(): Promise<RootChange[]> {
    const text = await readFile(this.#path, "utf8").catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw error;
    });
    return text.split("\n").flatMap((line) => {
      const parsed = RootChange.safeParse(parseJson(line));
      return parsed.success ? [parsed.data] : [];
    });
  }

  async append(change: RootChange): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify(change)}\n`, { mode: 0o600 });
  }

  /** Bytes. */
  async size(): Promise<number> {
    return (await stat(this.#path).catch(() => null))?.size ?? 0;
  }

  async rewrite(changes: Iterable<RootChange>): Promise<void> {
    const file = await open(`${this.#path}.new`, "w", 0o600);
    try {
      for (const change of changes) await file.write(`${JSON.stringify(change)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${this.#path}.new`, this.#path);
  }
}

function parseJson(line: string): unknown {
  try {
    return line === "" ? null : JSON.parse(line);
  } catch {
    return null;
  }
}
