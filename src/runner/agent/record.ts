import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { AttemptNumber, JobId } from "../../protocol/identifiers.ts";
import { Specification } from "../../protocol/specification.ts";
import { Verdict } from "../../protocol/verdict.ts";

/** An attempt as it is remembered on disk, from before it is accepted until its verdict is acknowledged. */
export const AttemptRecord = z.strictObject({
  job: JobId,
  attempt: AttemptNumber,
  /** Bearer of its channels. */
  token: z.string(),
  /** Null while it runs. */
  verdict: Verdict.nullable(),
  /** Of a deploy: its next life has to see how the machine ended. */
  deploy: Specification.optional(),
});
export type AttemptRecord = z.infer<typeof AttemptRecord>;

/** Folders of attempts beneath the agent's directory. */
export class Records {
  readonly #root: string;

  constructor(directory: string) {
    this.#root = join(directory, "attempts");
  }

  directory(record: Pick<AttemptRecord, "job" | "attempt">): string {
    return join(this.#root, `${record.job}-${record.attempt}`);
  }

  /** Durable when it resolves. */
  async save(record: AttemptRecord): Promise<void> {
    const directory = this.directory(record);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, "attempt.json");
    const file = await open(`${path}.new`, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify(record));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }

  async remove(record: Pick<AttemptRecord, "job" | "attempt">): Promise<void> {
    await rm(this.directory(record), { recursive: true, force: true });
  }

  /** What an earlier life of this agent left. A folder without a whole record was never accepted, and goes. */
  async load(): Promise<AttemptRecord[]> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const records: AttemptRecord[] = [];
    for (const name of await readdir(this.#root)) {
      const text = await readFile(join(this.#root, name, "attempt.json"), "utf8").catch(missing);
      if (text === null) await rm(join(this.#root, name), { recursive: true, force: true });
      else records.push(AttemptRecord.parse(JSON.parse(text)));
    }
    return records;
  }
}

function missing(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
