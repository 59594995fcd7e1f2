import { code } from "../../../core/report/index.ts";
import { beginAside, endAside } from "../../../core/run/index.ts";
import { type Attribute, attributeName } from "../../../protocol/attribute.ts";
import { parseAttributePath } from "../../../protocol/attribute-path.ts";
import { IMPACT, type InventoryMachine, type MachineDifference } from "../../../protocol/impact.ts";
import type { Work } from "../../../protocol/specification.ts";
import { baseSource, asideIn, labelOf, LATEST, read } from "./base.ts";
import { commit, type Context, header } from "./context.ts";
import type { Header, StoredImpact } from "./rows.ts";

/** Failed tries before machines are left as they are. */
const TRIES = 4;
/** Attributes that a base may have; what goes on beyond is at fault. */
const MOST_BASE = 50_000;

/** Ends what is beside the run and has taken too long. */
export function endLate(context: Context): Promise<number | null> {
  const { store } = context;
  const open = store.jobs("aside IS NOT NULL AND state <> 'finished'");
  if (open.length > 0)
    commit(context, () =>
      endAside(store.slice({ jobs: open }), `the limit of ${LATEST / 3_600_000} hours`),
    );
  return Promise.resolve(null);
}

/** Once the run is over, has the machines that changed looked into; and hears that it was done. */
export async function look(context: Context, tries: number): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  const { impact } = run;
  if (impact?.state !== "compared" || impact.looked === "over" || run.emptiedAt !== null)
    return null;
  const { phase, stopped } = store.run();
  if (impact.looked === "looking") {
    const [job] = store.jobs("aside = 'impact'");
    if (job !== undefined && job.state !== "finished") return null;
    const ended = job?.verdict ?? null;
    return over(
      context,
      impact,
      ended?.kind === "succeeded"
        ? null
        : `the job that was to do it ended as ${code(ended?.kind ?? "unknown")}.`,
    );
  }
  if (stopped !== null) return over(context, impact, "the run was stopped.");
  // Called again when it is.
  if (phase !== "finished") return null;
  if (!store.exists(`SELECT 1 FROM machine WHERE ${WORTH}`)) return over(context, impact, null);
  if (tries >= TRIES) return over(context, impact, "the base's tree could not be read.");
  const tree = impact.tree ?? (await read(context, run, impact.base)).tree;
  commit(
    context,
    () => beginAside(store.slice(), "impact"),
    () => {
      store.set({ impact: JSON.stringify({ ...impact, tree, looked: "looking" }) });
      asideIn(context);
      context.tasks.at("section", context.now());
    },
  );
  return null;
}

const WORTH = "change = 'changed' AND before IS NOT NULL AND after IS NOT NULL";

function over(context: Context, impact: StoredImpact, left: string | null): null {
  const { store, storage, tasks } = context;
  storage.transactionSync(() => {
    store.set({ impact: JSON.stringify({ ...impact, looked: "over", left }) });
    for (const task of ["report", "section"] as const) tasks.at(task, context.now());
  });
  return null;
}

/** Attributes of the base. The same ones of another attempt change nothing but errors. */
export function takeBase({ store, storage }: Context, attributes: readonly Attribute[]): void {
  storage.transactionSync(() => {
    for (const { selection, path, result } of attributes)
      store.sql.exec(
        `INSERT INTO base (key, selection, name, drv) SELECT ?, ?, ?, ? WHERE (SELECT coalesce(max(id), 0) FROM base) < ${MOST_BASE}
           ON CONFLICT (key) DO UPDATE SET drv = coalesce(excluded.drv, drv)`,
        `${selection}:${JSON.stringify(path)}`,
        selection,
        attributeName(path),
        result.kind === "derivation" ? result.derivation.path : null,
      );
  });
}

/** What clan's inventory names; where two do it is one machine. */
export function keepInventory({ store }: Context, inventory: readonly InventoryMachine[]): void {
  for (const { machine, class: of, tags, roles, targetHost, explicit, hold } of inventory)
    store.sql.exec(
      "INSERT OR REPLACE INTO inventory (machine, class, tags, roles, target_host, explicit, hold) VALUES (?, ?, ?, ?, ?, ?, ?)",
      machine,
      of,
      JSON.stringify(tags),
      JSON.stringify(roles ?? []),
      targetHost ?? null,
      explicit === true ? 1 : 0,
      hold ?? null,
    );
}

/** What an impact job found out about a machine: of those it was asked about. */
export function takeDifference({ store }: Context, difference: MachineDifference): void {
  store.sql.exec(
    "UPDATE machine SET difference = ? WHERE before = ? AND after = ?",
    JSON.stringify(difference),
    difference.before,
    difference.after,
  );
}

/** The machines that changed, those with the first names. */
export function impactWork(
  { store }: Context,
  run: Header,
  of: Pick<Extract<Work, { kind: "impact" }>, "source" | "selections" | "limits">,
): Work {
  const labels = of.selections.map(labelOf);
  const rows = store.sql
    .exec<{ selection: string; attribute: string; before: string; after: string }>(
      `SELECT selection, attribute, before, after FROM machine WHERE ${WORTH} ORDER BY id LIMIT ${IMPACT.machines}`,
    )
    .toArray();
  const machines = rows.flatMap(({ selection, attribute, before, after }) => {
    const path = parseAttributePath(attribute);
    const number = labels.indexOf(selection);
    return path === null || number < 0 ? [] : [{ selection: number, path, before, after }];
  });
  return {
    kind: "impact",
    base: baseSource(run, run.impact?.revision !== "shown"),
    machines,
    ...of,
  };
}
