import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { transform } from "esbuild";
import * as z from "zod";

const Counts = z.record(
  z.string(),
  z.object({
    executed: z.number(),
    rowsWritten: z.number(),
    statements: z.record(z.string(), z.object({ executed: z.number(), rowsWritten: z.number() })),
  }),
);
export type Counts = z.infer<typeof Counts>;

/** Text of the module that stands around the Worker; `Meter` asks it. */
export async function meterSource(): Promise<string> {
  const source = await readFile(join(import.meta.dirname, "around.ts"), "utf8");
  return (await transform(source, { loader: "ts", target: "es2024" })).code;
}

/** What the objects asked of their storage, by class, as workerd itself counts it (`rowsWritten` of each cursor). */
export class Meter {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async reset(): Promise<void> {
    await this.#get("reset");
  }

  async counts(): Promise<Counts> {
    return Counts.parse(JSON.parse(await this.#get("counts")));
  }

  /** Stream → text of an attempt's log. */
  async logs(job: string, attempt: number): Promise<Record<string, string>> {
    const query = new URLSearchParams({ job, attempt: String(attempt) });
    return z
      .record(z.string(), z.string())
      .parse(JSON.parse(await this.#get(`logs?${query.toString()}`)));
  }

  async #get(path: string): Promise<string> {
    const answer = await fetch(`${this.#url}/meter/${path}`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the meter answered ${answer.status} for ${path}: ${text}`);
    return text;
  }
}
