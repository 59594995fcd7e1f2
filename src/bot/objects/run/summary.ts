import type { Evidence, Flake } from "../../../core/flakiness/index.ts";
import type { Cause, Flaky, Listed, Summary, Told } from "../../../core/report/index.ts";
import { conclude, placeOf } from "../../../core/run/index.ts";
import type { Conclusion } from "../../../core/verdict/index.ts";
import { base } from "../../../core/report/index.ts";
import type { AttributeRow } from "../../../core/run/index.ts";
import { type Context, header } from "./context.ts";
import { impactIn } from "./section.ts";
import { flakesOf, provenFlakes } from "./flakes.ts";
import { logPage, pageOf } from "./links.ts";

/** Attributes in an aggregate: as many as its text can hold. */
export const LISTED = 700;
/** Bytes of the impact's section in a check; the pull request's comment has more of it. */
const CHECK_BYTES = 15_000;
/** Names under one cause. */
const DEPENDENTS = 100;
/** Longest builds and flaky attributes that are named. */
const LONGEST = 3;
const FLAKY = 20;

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
    impact: impactIn(context, CHECK_BYTES),
    difference: run.differs && { ...run.differs, names: store.differences() },
    seconds: ((run.finishedAt ?? context.now()) - run.createdAt) / 1_000,
    ...(state.phase === "finished" ? took(context) : { longest: [], reused: 0 }),
    flaky: flaky(context),
    notices: store.notices(),
    findings: store.findings(),
    approval: run.approval,
    url: pageOf(env.PUBLIC_URL, run.id),
  };
}

export function listed({ store }: Context, where: string, limit: number): Listed[] {
  const rows = store.attributes(`${where} LIMIT ?`, limit);
  const flakes = flakesOf(
    store,
    rows.map(({ drv }) => drv),
  );
  return rows.map((row) => ({ ...row, flaky: flakes.get(row.drv ?? "")?.proof != null }));
}

/** The builds of this run that took longest, and how many verdicts were known before. Looks at every row: at the end. */
function took({ store }: Context): Pick<Summary, "longest" | "reused"> {
  return {
    longest: store.sql
      .exec<{ name: string; seconds: number }>(
        "SELECT name, seconds FROM attribute WHERE seconds >= 1 AND json_extract(verdict, '$.reused') IS NOT 1 ORDER BY seconds DESC, id LIMIT ?",
        LONGEST,
      )
      .toArray(),
    reused: store.sql
      .exec<{ reused: number }>(
        "SELECT count(*) AS reused FROM attribute WHERE kind = 'succeeded' AND json_extract(verdict, '$.reused') = 1",
      )
      .one().reused,
  };
}

function flaky({ store, env }: Context): Summary["flaky"] {
  const { total, list } = provenFlakes(store, FLAKY);
  return { total, list: list.map((flake) => flakyOf(flake, env.PUBLIC_URL)) };
}

function flakyOf({ attribute, proof, times }: Flake, url: string): Flaky {
  const told = ({ run, log }: Evidence): Told => ({
    run,
    url: log === null ? pageOf(url, run) : logPage(url, log),
  });
  return {
    name: attribute,
    proof: proof && { ...proof, failed: told(proof.failed), passed: told(proof.passed) },
    times,
  };
}

export type KeyedCause = Cause & { key: string; id: string };

/** Root causes of what is required, the one first that most hangs on; at most `limit`. */
export function causesOf(context: Context, limit: number): KeyedCause[] {
  const { store, env } = context;
  const run = header(context);
  const groups = store.sql
    .exec<{ cause: string; total: number }>(
      "SELECT cause, count(*) AS total FROM attribute WHERE cause IS NOT NULL AND required = 1 GROUP BY cause ORDER BY total DESC, min(id) LIMIT ?",
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
        flaky: flakeOf(context, own === undefined ? rows : [own]),
      },
    ];
  });
}

/** What is known of the cause: by its own past, or by that of something that hangs on it. */
function flakeOf({ store, env }: Context, rows: readonly AttributeRow[]): Flaky | null {
  const known = [
    ...flakesOf(
      store,
      rows.map(({ drv }) => drv),
    ).values(),
  ];
  const flake = known.find(({ proof }) => proof !== null) ?? known[0];
  return flake === undefined ? null : flakyOf(flake, env.PUBLIC_URL);
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
  const link = log === null ? null : logPage(url, placeOf(log, run));
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
