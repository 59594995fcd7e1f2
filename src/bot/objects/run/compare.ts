import {
  compare as compared,
  type Comparison,
  type Evaluated,
  machineOf,
} from "../../../core/impact/index.ts";
import { beginAside } from "../../../core/run/index.ts";
import { code } from "../../../core/report/index.ts";
import { commit, type Context, header, repo } from "./context.ts";
import { sha256 } from "./digest.ts";
import { asideIn, labelOf, read } from "./base.ts";
import type { Header, StoredImpact } from "./rows.ts";

/** Failed tries before it is said to be unknown: it decides about nothing. */
const TRIES = 4;

/**
 * Keeps what a branch's commit evaluated to, and says of a pull request how it differs from its base. A base that was
 * not evaluated is evaluated beside the run where there are machines or the configuration speaks of them.
 */
export async function compare(context: Context, tries: number): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  const { pool, stopped, evaluation } = store.run();
  if (pool === null || stopped !== null || run.emptiedAt !== null) return null;
  if (evaluation?.kind !== "succeeded" || run.source === null) return null;
  if (run.reason.kind === "push") {
    if (tries < TRIES)
      await keep(context, run, run.source.sha, `evaluations/${run.id}.ndjson`, own(context, run));
    return null;
  }
  if (run.reason.kind !== "pull_request" || (run.impact !== null && run.impact.state !== "pending"))
    return null;
  const base = run.base ?? run.reason.base;
  if (tries >= TRIES) return unknown(context, base, "What is needed for it could not be read.");
  const kept = await known(context, run, base);
  if (run.impact !== null) return await evaluated(context, run, run.impact, kept);
  if (kept !== null && !run.source.revision) return conclude(context, base, kept, null, "unread");
  const wanted = isWanted(context, run);
  // A base that is shown under this commit's revision is evaluated for each pull request anew.
  if (kept !== null && !wanted) return conclude(context, base, kept, null, "mixed");
  if (!wanted) return unknown(context, base, "The base was not evaluated.");
  const { tree } = await read(context, run, base);
  const committedAt = run.source.revision
    ? ((await read(context, run, run.source.sha)).committedAt ?? null)
    : null;
  commit(
    context,
    () => beginAside(store.slice(), "base"),
    () => {
      set(context, { ...fresh(base, wanted), tree, committedAt });
      asideIn(context);
    },
  );
  return null;
}

/** The job beside the run is over, or still at work. */
async function evaluated(
  context: Context,
  run: Header,
  { base }: StoredImpact,
  kept: Evaluated[] | null,
): Promise<number | null> {
  const { store } = context;
  const [job] = store.jobs("aside = 'base'");
  if (job === undefined || job.state !== "finished") return null;
  const verdict = job.verdict;
  if (verdict?.kind !== "succeeded")
    return unknown(
      context,
      base,
      `The base could not be evaluated: ${code(verdict === null ? "no verdict" : reasonOf(verdict), 500)}.`,
    );
  const found = baseRows(context, run);
  if (run.source?.revision === true)
    return kept === null
      ? conclude(context, base, found, null, "shown")
      : conclude(context, base, kept, found, "separated");
  await keep(context, run, base, `evaluations/${run.id}-base.ndjson`, found);
  return conclude(context, base, found, null, "unread");
}

function reasonOf(verdict: {
  kind: string;
  message?: string;
  missing?: string[];
  by?: string;
}): string {
  const said = verdict.message ?? verdict.missing?.join(", ") ?? verdict.by;
  return said === undefined ? verdict.kind : `${verdict.kind}: ${said}`;
}

function conclude(
  context: Context,
  base: string,
  before: Iterable<Evaluated>,
  shown: Iterable<Evaluated> | null,
  revision: StoredImpact["revision"],
): null {
  const { store, storage, tasks } = context;
  const run = header(context);
  const found = compared(before, own(context, run), shown, {
    declared: run.declared?.names ?? [],
    inventory: inventoryOf(context),
  });
  storage.transactionSync(() => {
    save(context, run, base, found);
    set(context, {
      ...(run.impact ?? fresh(base, false)),
      state: "compared",
      // The last machine may have gone.
      wanted: found.machines.length > 0 || isAsked(context, run),
      revision,
      uncovered: found.uncovered,
    });
    store.sql.exec("DELETE FROM base");
    for (const task of ["report", "section", "impact"] as const) tasks.at(task, context.now());
  });
  return null;
}

function save(
  context: Context,
  run: Header,
  base: string,
  { difference, machines }: Comparison,
): void {
  const { sql } = context.store;
  const { names, ...counts } = difference;
  for (const table of ["difference", "machine"]) sql.exec(`DELETE FROM ${table}`);
  for (const { kind, name } of names)
    sql.exec("INSERT INTO difference (kind, name) VALUES (?, ?)", kind, name.slice(0, 1_024));
  const errors = machines.some(({ change }) => change === "broken" || change === "faulty")
    ? errorsOf(context, run)
    : new Map<string, string>();
  for (const { machine, selection, attribute, change, before, after } of machines)
    sql.exec(
      "INSERT INTO machine (machine, selection, attribute, change, before, after, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
      machine,
      selection,
      attribute,
      change,
      before,
      after,
      errors.get(`${selection}\u0000${attribute}`) ?? null,
    );
  context.store.set({ differs: JSON.stringify({ base, ...counts }) });
}

function unknown(context: Context, base: string, why: string): null {
  const { store, storage, tasks } = context;
  const run = header(context);
  storage.transactionSync(() => {
    const known = run.impact ?? fresh(base, isWanted(context, run));
    set(context, { ...known, state: "unknown", why });
    store.sql.exec("DELETE FROM base");
    for (const task of ["report", "section"] as const) tasks.at(task, context.now());
  });
  return null;
}

function fresh(base: string, wanted: boolean): StoredImpact {
  return {
    base,
    state: "pending",
    wanted,
    why: null,
    looked: "no",
    left: null,
    revision: "unread",
    uncovered: [],
    tree: null,
    committedAt: null,
    section: null,
  };
}

function set({ store }: Context, impact: StoredImpact): void {
  store.set({ impact: JSON.stringify(impact) });
}

function* own({ store }: Context, { selections }: Header): Iterable<Evaluated> {
  const labels = selections.map(labelOf);
  const rows = store.sql.exec<{ selection: number; name: string; drv: string | null }>(
    // Without what the configuration asks for and the evaluation does not have.
    "SELECT selection, name, drv FROM attribute WHERE selection >= 0 ORDER BY id",
  );
  for (const { selection, name, drv } of rows)
    yield { selection: labels[selection] ?? "", name, drv };
}

function inventoryOf({ store }: Context): string[] {
  return store.sql
    .exec<{ machine: string }>("SELECT machine FROM inventory ORDER BY machine")
    .toArray()
    .map(({ machine }) => machine);
}

function baseRows({ store }: Context, { selections }: Header): Evaluated[] {
  const labels = selections.map(labelOf);
  return store.sql
    .exec<{ selection: number; name: string; drv: string | null }>(
      "SELECT selection, name, drv FROM base ORDER BY id",
    )
    .toArray()
    .map(({ selection, name, drv }) => ({ selection: labels[selection] ?? "", name, drv }));
}

/** The first line of why an attribute could not be evaluated, by selection and name. */
function errorsOf({ store }: Context, { selections }: Header): Map<string, string> {
  const labels = selections.map(labelOf);
  const found = new Map<string, string>();
  for (const { selection, name, verdict } of store.attributes(
    "kind = 'evaluation-error' AND drv IS NULL ORDER BY required DESC, id",
  ))
    if (verdict?.kind === "evaluation-error")
      found.set(
        `${labels[selection] ?? ""}\u0000${name}`,
        (verdict.message.split("\n")[0] ?? "").slice(0, 300),
      );
  return found;
}

/** The configuration or an inventory speaks of machines. */
function isAsked({ store }: Context, { declared }: Header): boolean {
  return declared?.asked === true || store.exists("SELECT 1 FROM inventory");
}

function isWanted(context: Context, run: Header): boolean {
  if (isAsked(context, run)) return true;
  const declared = new Set(run.declared?.names);
  for (const { selection, name } of own(context, run))
    if (machineOf(selection, name, declared) !== null) return true;
  return false;
}

async function keep(
  context: Context,
  run: Header,
  sha: string,
  blob: string,
  attributes: Iterable<Evaluated>,
): Promise<void> {
  const { pool } = context.store.run();
  if (pool === null) throw new Error(`run ${run.id} has an evaluation and no pool`);
  // Asked otherwise, it would answer otherwise.
  let lines = `${JSON.stringify({ selections: await digestOf(run) })}\n`;
  for (const { selection, name, drv } of attributes)
    lines += `${JSON.stringify([selection, name, drv])}\n`;
  await context.env.BLOBS.put(blob, lines, {
    httpMetadata: { contentType: "application/x-ndjson" },
  });
  await repo(context, run).rememberEvaluation({ sha, pool, blob });
}

/** What the base evaluated to, for the same selections; null where nobody knows. */
async function known(context: Context, run: Header, sha: string): Promise<Evaluated[] | null> {
  const { pool } = context.store.run();
  const kept = pool === null ? null : await repo(context, run).recallEvaluation(sha, pool);
  const object = kept === null ? null : await context.env.BLOBS.get(kept.blob);
  if (object === null) return null;
  const found: Evaluated[] = [];
  for (const line of (await object.text()).split("\n")) {
    if (line === "") continue;
    // Written above, by this release or an earlier one, which said nothing of the selections.
    const read = JSON.parse(line) as [string, string, string | null] | { selections: string };
    if (Array.isArray(read)) found.push({ selection: read[0], name: read[1], drv: read[2] });
    else if (read.selections !== (await digestOf(run))) return null;
  }
  return found;
}

function digestOf({ selections }: Header): Promise<string> {
  return sha256(JSON.stringify(selections));
}
