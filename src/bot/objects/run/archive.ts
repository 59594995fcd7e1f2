import type { Impact } from "../../../core/impact/index.ts";
import type { AttributeView } from "../contracts.ts";
import { type Context, header } from "./context.ts";
import { impactNow } from "./section.ts";
import { attributesOf, viewOf } from "./view.ts";

/** Attributes in one object of the archive: at 16 KiB of log each, it stays below 10 MiB. */
const SLICE = 500;
/** For so long after its end (ms) a run is read from its rows: that is when people look. */
const EMPTY_AFTER = 10 * 60_000;
/** When rows that are still needed are looked at again (ms). */
const NEEDED = 60_000;

/** Characters of what changes inside of machines, of all of them: a page is not longer, and 32 MiB are an answer's limit. */
const DETAILS = 4_000_000;

const sliceKey = (run: string, after: number) => `runs/${run}/attributes-${after}.ndjson`;
const impactKey = (run: string) => `runs/${run}/impact.json`;
const viewKey = (run: string) => `runs/${run}/run.json`;

/** `runs/<run>/attributes-<after>.ndjson` for each slice, then `runs/<run>/run.json`. Written again, it is the same. */
export async function archive(context: Context): Promise<number | null> {
  const { store, env, tasks } = context;
  const run = header(context);
  if (run.emptiedAt !== null) return null;
  for (let after = 0; ; after += SLICE) {
    const rows = attributesOf(store, after, SLICE);
    if (rows.length > 0) {
      const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
      await env.BLOBS.put(sliceKey(run.id, after), text, {
        httpMetadata: { contentType: "application/x-ndjson" },
      });
    }
    if (rows.length < SLICE) break;
  }
  await env.BLOBS.put(viewKey(run.id), JSON.stringify(viewOf(store)), {
    httpMetadata: { contentType: "application/json" },
  });
  tasks.at("empty", context.now() + EMPTY_AFTER);
  return null;
}

/**
 * Leaves attributes and derivations to the archive, once nobody needs their rows: reports are wished, verdicts told and
 * the archive is whole. What does not grow with the run (its row, counts, jobs, notices) stays.
 */
export async function empty(context: Context): Promise<number | null> {
  const { store, storage, tasks, env } = context;
  const run = header(context);
  if (run.emptiedAt !== null || store.run().phase !== "finished") return null;
  const needed =
    tasks.others("empty") ||
    store.exists("SELECT 1 FROM derivation WHERE remember = 1") ||
    store.exists("SELECT 1 FROM job WHERE cancel IS NOT NULL") ||
    store.exists("SELECT 1 FROM job WHERE aside IS NOT NULL AND state <> 'finished'");
  if (needed) return context.now() + NEEDED;
  if (!(await isWhole(context, run.id))) {
    tasks.at("archive", context.now());
    return context.now() + NEEDED;
  }
  // As it is at last: machines are looked into when the rest was archived long ago.
  const impact = impactNow(context);
  if (impact !== null)
    await env.BLOBS.put(impactKey(run.id), JSON.stringify(bounded(impact)), {
      httpMetadata: { contentType: "application/json" },
    });
  storage.transactionSync(() => {
    // Without WHERE these drop the pages and visit no row.
    for (const table of [
      "attribute",
      "derivation",
      "fault",
      "claim",
      "fence",
      "failure",
      "wait",
      "flake",
      "base",
      "machine",
      "inventory",
    ])
      store.sql.exec(`DELETE FROM ${table}`);
    store.set({ emptied_at: context.now() });
  });
  return null;
}

async function isWhole({ store, env }: Context, run: string): Promise<boolean> {
  const keys = [viewKey(run)];
  for (let after = 0; after < store.run().attributes; after += SLICE)
    keys.push(sliceKey(run, after));
  const found = await Promise.all(keys.map((key) => env.BLOBS.head(key)));
  return found.every((object) => object !== null);
}

/** Attributes in their order, those after `after`: of the rows, or of the archive once it has them alone. */
export async function attributesAfter(
  { store, env }: Context,
  after: number,
  limit: number,
): Promise<AttributeView[]> {
  const run = store.header();
  if (run === null || run.emptiedAt === null) return attributesOf(store, after, limit);
  const { attributes } = store.run();
  const found: AttributeView[] = [];
  for (
    let from = after - (after % SLICE);
    from < attributes && found.length < limit;
    from += SLICE
  ) {
    const key = sliceKey(run.id, from);
    const object = await env.BLOBS.get(key);
    if (object === null) throw new Error(`${key} was archived and is not in R2 any more`);
    // Written by `archive` of this release or an earlier one.
    const rows = (await object.text())
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as AttributeView);
    found.push(...rows.filter(({ index }) => index > after));
  }
  return found.slice(0, limit);
}

/** How the run stands to its base, for its page: of the rows, or of the archive once it has them alone. */
export async function impactOf(context: Context): Promise<Impact | null> {
  const run = context.store.header();
  if (run === null) return null;
  if (run.emptiedAt === null) {
    const impact = impactNow(context);
    return impact && bounded(impact);
  }
  // Runs that compared nothing have none, nor have those of earlier releases.
  const object = await context.env.BLOBS.get(impactKey(run.id));
  return object === null ? null : (JSON.parse(await object.text()) as Impact);
}

/** Leaves out what changes inside of machines where it is more than one answer can hold: the machines are all named. */
function bounded(impact: Impact): Impact {
  let room = DETAILS;
  const machines = impact.machines.map((machine) => {
    room -= machine.difference === null ? 0 : JSON.stringify(machine.difference).length;
    return room < 0 ? { ...machine, difference: null } : machine;
  });
  return { ...impact, machines };
}
