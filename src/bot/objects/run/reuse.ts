import type { LogPlace } from "../../../core/flakiness/index.ts";
import { attributeName } from "../../../protocol/attribute.ts";
import {
  attributeKey,
  lease,
  type LogOf,
  placeOf,
  recalled,
  replayed,
  type Replayed,
  SLICE_WAIT,
  sweep,
  unreplayed,
} from "../../../core/run/index.ts";
import { reusable } from "../../../core/verdict/index.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import { objectName } from "../contracts.ts";
import { commit, type Context, fleet, header, repo } from "./context.ts";
import { keepFlakes } from "./flakes.ts";
import type { Store } from "./store.ts";

/** Rows that one step takes. */
const RECALL = 1_000;
const REMEMBER = 500;
const REPLAY = 500;
const SWEEP = 500;
/** Failed readings of the earlier run before the tree is judged anew. */
const REPLAY_TRIES = 4;

/** Asks the Repo for verdicts of derivations that are new. */
export async function recall(context: Context): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  const { pool, stopped } = store.run();
  // The sweep takes what a stopped run has left.
  if (stopped !== null) return null;
  const asked = store
    .derivations(`state = 'unknown' ORDER BY since LIMIT ${RECALL}`)
    .map(({ drv }) => drv);
  if (asked.length === 0 || pool === null) return null;
  const known = await repo(context, run).recall(pool, asked);
  commit(
    context,
    () =>
      recalled(
        store.slice(store.withAttributes(store.derivationsByDrv(asked))),
        asked,
        known,
        context.now(),
      ),
    () =>
      keepFlakes(
        store,
        known.flatMap(({ flake }) => (flake === null ? [] : [flake])),
      ),
  );
  return store.run().stopped === null &&
    store.exists("SELECT 1 FROM derivation WHERE state = 'unknown'")
    ? context.now()
    : null;
}

/**
 * Puts what is ready into jobs: full ones at once, the rest when nothing is being built, when the evaluation has said
 * everything, or when it has kept it waiting.
 */
export async function leaseReady(context: Context): Promise<number | null> {
  const { store } = context;
  const slots = await sharedSlots(context);
  const ready = store.derivations("state = 'ready' ORDER BY since, rowid");
  const [oldest] = store.sql
    .exec<{ since: number | null }>(
      "SELECT min(since) AS since FROM derivation WHERE state = 'ready'",
    )
    .toArray();
  if (ready.length === 0 || oldest?.since == null || store.run().stopped !== null) return null;
  const run = store.run();
  const unknown = store.exists("SELECT 1 FROM derivation WHERE state = 'unknown'");
  const said = run.evaluation !== null || store.header()?.evaluator !== null;
  const building = store.exists("SELECT 1 FROM job WHERE kind = 'build' AND state <> 'finished'");
  const all = (said && !unknown) || !building || context.now() - oldest.since >= SLICE_WAIT;
  commit(context, () => lease(store.slice({ derivations: ready }), all, slots));
  const [left] = store.sql
    .exec<{ since: number | null }>(
      "SELECT min(since) AS since FROM derivation WHERE state = 'ready'",
    )
    .toArray();
  return left?.since == null ? null : left.since + SLICE_WAIT;
}

/** Slots of the runners that may take jobs of the run because they share its exchange; 0 where it stays at one. */
async function sharedSlots(context: Context): Promise<number> {
  const { store } = context;
  const run = header(context);
  const { pool } = store.run();
  if (run.exchange === null || pool === null) return 0;
  return fleet(context, run).partners(run.identity.account.id, {
    pool,
    repository: run.identity.repository.id,
    exchange: run.exchange,
  });
}

/** Tells the Repo the verdicts that may be reused or tell of flakiness, and learns which are flaky. */
export async function remember(context: Context): Promise<number | null> {
  const { store, tasks } = context;
  const run = header(context);
  const { pool } = store.run();
  const rows = store.derivations(`remember = 1 LIMIT ${REMEMBER}`);
  if (rows.length === 0 || pool === null) return null;
  const at = context.now();
  const logs = logsOf(
    store,
    run.id,
    rows.map(({ drv }) => drv),
  );
  const flakes = await repo(context, run).remember(
    pool,
    rows.flatMap(({ drv, verdict, seconds, provenance, path }) =>
      verdict === null
        ? []
        : [
            {
              drv,
              verdict: told(verdict),
              run: run.id,
              at,
              seconds,
              provenance,
              log: logs.get(drv) ?? null,
              attribute: attributeName(path),
            },
          ],
    ),
  );
  context.storage.transactionSync(() => {
    for (const { drv } of rows)
      store.sql.exec("UPDATE derivation SET remember = 0 WHERE drv = ?", drv);
    keepFlakes(store, flakes);
    if (flakes.length === 0) return;
    tasks.at("report", context.now());
    // What was archived did not know yet.
    if (store.run().phase === "finished") tasks.at("archive", context.now());
  });
  return rows.length === REMEMBER ? context.now() : null;
}

/** What is not reused is told for its kind: a dependency's log with each of thousands would be all of the message. */
function told(verdict: Verdict): Verdict {
  return reusable(verdict) === null && "logTail" in verdict ? { ...verdict, logTail: "" } : verdict;
}

/** Where each derivation's own build in this run is told of. */
function logsOf(store: Store, run: string, drvs: readonly string[]): Map<string, LogPlace> {
  const rows = store.in("SELECT drv, log FROM attribute WHERE log IS NOT NULL AND drv IN", drvs);
  return new Map(
    rows.flatMap(({ drv, log }) => {
      if (typeof drv !== "string" || typeof log !== "string") return [];
      // Written by the Run's store.
      const of = JSON.parse(log) as LogOf;
      return of.run === undefined ? [[drv, placeOf(of, run)]] : [];
    }),
  );
}

/** Takes over the attributes of the run that judged the same tree, slice after slice. */
export async function replay(context: Context, tries: number): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  if (run.replayOf === null || store.run().phase !== "evaluating" || store.run().stopped !== null)
    return null;
  if (tries >= REPLAY_TRIES) {
    commit(
      context,
      () => unreplayed(store.slice()),
      () => store.set({ replay_of: null }),
    );
    return null;
  }
  const earlier = context.env.RUN.getByName(objectName.run(run.identity.host, run.replayOf));
  const rows = await earlier.attributes(run.replayed, REPLAY);
  const batch = rows.flatMap(
    ({
      verdict,
      path,
      selection,
      name,
      system,
      drv,
      required,
      seconds,
      log,
      provenance = null,
    }): Replayed[] =>
      verdict === null
        ? []
        : [{ selection, path, name, system, drv, required, verdict, seconds, provenance, log }],
  );
  const last = rows.length < REPLAY;
  const at = rows.at(-1)?.index ?? run.replayed;
  commit(
    context,
    () =>
      replayed(
        store.slice({
          attributes: store.attributesByKey(
            batch.map(({ selection, path }) => attributeKey(selection, path)),
          ),
        }),
        batch,
        last,
      ),
    () => {
      store.set({ replayed: at });
      keepFlakes(
        store,
        rows.flatMap(({ flake }) => (flake ? [flake] : [])),
      );
    },
  );
  return last ? null : context.now();
}

/** Gives a stopped run's verdict to what has none. */
export function sweepOpen(context: Context): Promise<number | null> {
  const { store } = context;
  commit(context, () => {
    const open = store.withAttributes(store.derivations(`state <> 'done' LIMIT ${SWEEP}`));
    if (open.derivations.length > 0) return sweep(store.slice(open));
    return sweep(store.slice({ attributes: store.attributes(`kind IS NULL LIMIT ${SWEEP}`) }));
  });
  const { pending, openDerivations } = store.run();
  return Promise.resolve(pending > 0 || openDerivations > 0 ? context.now() : null);
}
