import { type AttributeRow, type JobRow, placeOf } from "../../../core/run/index.ts";
import type { AttributeView, JobView, RunView } from "../contracts.ts";
import { flakesOf } from "./flakes.ts";
import type { Store } from "./store.ts";

/** What pages, replays and the index read; null before the run was started. */
export function viewOf(store: Store): RunView | null {
  const run = store.header();
  if (run === null) return null;
  const { phase, pool } = store.run();
  const counts: Record<string, number> = {};
  for (const { kind, count } of store.counts()) counts[kind] = (counts[kind] ?? 0) + count;
  return {
    run: run.id,
    identity: run.identity,
    reason: run.reason,
    state: phase,
    createdAt: run.createdAt,
    finishedAt: run.finishedAt,
    head: run.head,
    merge: run.built === run.head ? null : run.built,
    tree: run.source?.tree ?? null,
    pool,
    conclusion: run.conclusion,
    jobs: store.jobs("1").map((job) => jobView(run.id, job)),
    counts,
    notices: store.notices(),
  };
}

/** Attributes in their order, those after `after`. */
export function attributesOf(store: Store, after: number, limit: number): AttributeView[] {
  const rows = store.attributes("id > ? ORDER BY id LIMIT ?", after, limit);
  const run = store.header()?.id ?? "";
  const flakes = flakesOf(
    store,
    rows.map(({ drv }) => drv),
  );
  return rows.map((row) => ({
    ...attributeView(run, row),
    flake: flakes.get(row.drv ?? "") ?? null,
  }));
}

function jobView(run: string, { number, kind, attempt, state, runner, verdict }: JobRow): JobView {
  return {
    job: `${run}.${number}`,
    kind,
    attempt,
    state: state === "new" ? "queued" : state,
    runner,
    verdict,
  };
}

function attributeView(run: string, row: AttributeRow): AttributeView {
  const { index, name, path, selection, system, drv, required, verdict, seconds, log, provenance } =
    row;
  return {
    index,
    name,
    path,
    selection,
    system,
    drv,
    required,
    verdict,
    seconds,
    log: log && placeOf(log, run),
    provenance,
  };
}
