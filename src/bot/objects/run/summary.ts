import { type Cause, type Listed, type Summary } from "../../../core/report/index.ts";
import { conclude } from "../../../core/run/index.ts";
import type { Conclusion } from "../../../core/verdict/index.ts";
import { base } from "../../../core/report/index.ts";
import type { AttributeRow } from "../../../core/run/index.ts";
import { type Context, header } from "./context.ts";

/** Attributes in an aggregate: as many as its text can hold. */
export const LISTED = 700;
/** Names under one cause. */
const DEPENDENTS = 100;

/** The run's conclusion as its rows have it now. */
export function concluded({ store }: Context): Conclusion {
  return conclude(store.run(), store.counts());
}

/** What the aggregates are rendered from. */
export function summaryOf(context: Context): Summary {
  const { store, env } = context;
  const run = header(context);
  const state = store.run();
  return {
    phase: state.phase,
    head: run.head,
    built: run.built,
    base: run.base,
    pool: state.pool,
    requiredSystems: [
      ...new Set(state.rules.systems.flatMap((systems) => systems ?? [])),
    ].toSorted(),
    evaluation: state.evaluation,
    stopped: state.stopped,
    conclusion: state.phase === "finished" ? concluded(context) : null,
    counts: store.counts(),
    attributes: state.attributes,
    pending: state.pending,
    replayOf: run.replayOf,
    evaluator: run.evaluator,
    difference: run.differs && { ...run.differs, names: store.differences() },
    notices: store.notices(),
    findings: store.findings(),
    approval: run.approval,
    url: pageOf(env.PUBLIC_URL, run.id),
  };
}

export function listed({ store }: Context, where: string, limit: number): Listed[] {
  return store.attributes(`${where} LIMIT ?`, limit);
}

export type KeyedCause = Cause & { key: string; id: string };

/** Root causes of what is required, in order of appearance; at most `limit`. */
export function causesOf(context: Context, limit: number): KeyedCause[] {
  const { store, env } = context;
  const run = header(context);
  const groups = store.sql
    .exec<{ cause: string; total: number }>(
      "SELECT cause, count(*) AS total FROM attribute WHERE cause IS NOT NULL AND required = 1 GROUP BY cause ORDER BY min(id) LIMIT ?",
      limit,
    )
    .toArray();
  return groups.flatMap(({ cause, total }) => {
    const rows = store.attributes(
      "cause = ? AND required = 1 ORDER BY id LIMIT ?",
      cause,
      DEPENDENTS,
    );
    const own =
      rows.find(({ drv }) => drv === cause) ??
      store.attributes("drv = ? AND required = 1 AND cause = drv ORDER BY id LIMIT 1", cause)[0];
    const [first] = rows;
    if (first === undefined) return [];
    return [
      {
        key: cause,
        total,
        dependents: rows.map(({ name }) => name),
        ...described(own ?? first, own !== undefined, cause, run.id, env.PUBLIC_URL),
      },
    ];
  });
}

/** The cause itself, as the attribute that is it, or one that hangs on it, tells. */
function described(
  row: AttributeRow,
  isCause: boolean,
  cause: string,
  run: string,
  url: string,
): Pick<KeyedCause, "id" | "label" | "drv" | "verdict" | "log"> {
  const { verdict, drv, log } = row;
  if (verdict === null) throw new Error(`attribute ${row.name} has a cause and no verdict`);
  const link =
    log === null
      ? null
      : `${pageOf(url, run)}/logs/${run}.${log.job}/${log.attempt}/${encodeURIComponent(log.stream)}`;
  if (isCause || verdict.kind !== "dependency-failed") {
    return { id: drv === null ? cause : hashOf(drv), label: row.name, drv, verdict, log: link };
  }
  return {
    id: hashOf(cause),
    label: base(cause).replace(/\.drv$/u, ""),
    drv: cause,
    verdict,
    log: link,
  };
}

function hashOf(storePath: string): string {
  return storePath.slice("/nix/store/".length, "/nix/store/".length + 8);
}

export function pageOf(url: string, run: string): string {
  return `${url.replace(/\/+$/u, "")}/runs/${run}`;
}
