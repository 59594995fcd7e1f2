import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "./clock.ts";
import { elsewhere } from "./objects.ts";
import type { Random } from "./random.ts";
import { Database } from "./storage.ts";

/** How often D1 or R2 does not answer. */
const FAILS = 0.01;

type Statement = {
  bind: (...values: unknown[]) => Statement;
  run: () => Promise<object>;
  all: () => Promise<object>;
  first: () => Promise<object | null>;
};

/** D1: real SQLite under the real migrations, that sometimes does not answer. */
export function index(root: string, clock: Clock, random: Random): object {
  const database = new Database();
  const folder = join(root, "migrations");
  for (const name of readdirSync(folder).toSorted())
    database.run(readFileSync(join(folder, name), "utf8"));
  const ask = async (query: string, values: readonly unknown[]) => {
    await elsewhere(clock, 1 + random.below(4));
    if (random.chance(FAILS)) throw new Error("D1_ERROR: the network was lost");
    return { success: true, results: database.exec(query, values), meta: {} };
  };
  const statement = (query: string, values: readonly unknown[]): Statement => ({
    bind: (...more) => statement(query, more),
    run: () => ask(query, values),
    all: () => ask(query, values),
    first: async () => (await ask(query, values)).results[0] ?? null,
  });
  return { prepare: (query: string) => statement(query, []) };
}

/** R2: a map that sometimes does not answer, also after it has stored. */
export function blobs(clock: Clock, random: Random): object {
  const stored = new Map<string, Uint8Array>();
  const done = async <T>(work: () => T): Promise<T> => {
    await elsewhere(clock, 1 + random.below(8));
    if (random.chance(FAILS)) throw new Error("R2 does not answer");
    const result = work();
    if (random.chance(FAILS)) throw new Error("R2's answer was lost");
    return result;
  };
  return {
    put: (key: string, data: string | ArrayBuffer | Uint8Array) =>
      done(() => {
        const bytes =
          typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
        stored.set(key, bytes);
        return { key };
      }),
    head: (key: string) => done(() => (stored.has(key) ? { key } : null)),
    get: (key: string) =>
      done(() => {
        const bytes = stored.get(key);
        if (bytes === undefined) return null;
        return {
          text: async () => new TextDecoder().decode(bytes),
          arrayBuffer: async () => new Uint8Array(bytes).buffer,
        };
      }),
    delete: (key: string | string[]) =>
      done(() => {
        for (const one of [key].flat()) stored.delete(one);
      }),
  };
}
