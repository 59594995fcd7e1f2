import {
  adrift,
  advance,
  type Claim,
  claim,
  endedWith,
  type Fenced,
  freed,
  needs,
  type Reach,
  toAsk,
  type Wait,
  type Waits,
} from "../../../core/run/index.ts";
import { retried } from "../../../core/verdict/index.ts";
import { CLAIM, type DataReply, type ToRun } from "../../../protocol/data.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import { commit, type Context, fleet, header } from "./context.ts";

/** Goals looked at in one step. */
const STEP = 200;

type Body<Kind extends ToRun["kind"]> = Extract<ToRun, { kind: Kind }>;
type ClaimRow = {
  job: number;
  attempt: number;
  claim: number;
  drvs: string;
  wanted: number;
  adrift: number;
};
type WaitRow = {
  goal: string;
  drv: string;
  name: string;
  system: string;
  features: string;
  missing: string;
  exchange: number;
};

/** An attempt asks for the right to build; the answer goes back to it. */
export function takeClaim(
  context: Context,
  job: number,
  attempt: number,
  body: Body<"claim">,
): DataReply {
  const answer = claim(
    claims(context),
    { job, attempt, claim: body.claim, drvs: body.drvs },
    failuresOf(context, body.drvs),
  );
  for (const one of answer.fenced) fence(context, one);
  write(context, answer.write);
  const { held, failed } = answer;
  return { kind: "claimed", claim: body.claim, held: held.slice(0, CLAIM.drvs), failed };
}

export function takeRelease(
  context: Context,
  job: number,
  attempt: number,
  body: Body<"release">,
): void {
  end(
    context,
    claims(context).filter(
      (one) => one.job === job && one.attempt === attempt && one.claim === body.claim,
    ),
  );
}

export function takeFailed({ store }: Context, body: Body<"failed">): void {
  for (const { drv, verdict } of body.failures) {
    // Not judged: it is tried once more.
    if (retried(verdict.kind)) continue;
    store.sql.exec(
      "INSERT OR IGNORE INTO failure (drv, verdict) VALUES (?, ?)",
      drv,
      JSON.stringify(verdict),
    );
  }
}

/** Nothing is heard of an attempt: others may take what it holds. */
export function setAdrift(context: Context, of: Fenced): void {
  const claimed = adrift(claims(context), of);
  if (claimed === null) fence(context, of);
  else write(context, claimed);
}

/** The attempt has spoken: what nobody has taken meanwhile is its own again. */
export function unsetAdrift({ store }: Context, { job, attempt }: Fenced): void {
  store.sql.exec(
    "UPDATE claim SET adrift = 0 WHERE job = ? AND attempt = ? AND adrift = 1",
    job,
    attempt,
  );
}

/** Whether the attempt has lost its claims to another. */
export function isFenced({ store }: Context, { job, attempt }: Fenced): boolean {
  return store.exists("SELECT 1 FROM fence WHERE job = ? AND attempt >= ?", job, attempt);
}

/** Ends the claims of a job's attempts below `attempt`; of all of them when it is over (null). */
export function endClaims(context: Context, job: number, attempt: number | null): void {
  end(context, endedWith(claims(context), job, attempt));
}

export function takeNeeds(context: Context, job: number, body: Body<"needs">): void {
  const { store } = context;
  commit(context, () => {
    const drvs = [...body.goals, ...body.needed].map(({ drv }) => drv);
    const { changes, waits } = needs(
      store.slice(store.withAttributes(store.derivationsByDrv([...new Set(drvs)]))),
      job,
      body,
    );
    save(context, waits);
    return changes;
  });
  context.tasks.at("needs", context.now());
}

/** Asks who can build what goals wait for, and lets those go on that need wait no longer. */
export async function advanceNeeds(context: Context): Promise<number | null> {
  const { store } = context;
  const before = waiting(context);
  const ask = toAsk(before, store.derivationsByDrv(drvsOf(before)));
  const reach = await whoCan(context, ask);
  commit(context, () => {
    const waits = waiting(context);
    const drvs = new Set([...drvsOf(waits), ...waits.map(({ goal }) => goal)]);
    const next = advance(
      store.slice(store.withAttributes(store.derivationsByDrv([...drvs]))),
      waits,
      reach,
    );
    save(context, next.waits);
    return next.changes;
  });
  return new Set(before.map(({ goal }) => goal)).size === STEP ? context.now() : null;
}

async function whoCan(context: Context, ask: readonly Wait[]): Promise<Map<string, Reach>> {
  const run = header(context);
  const { pool } = context.store.run();
  if (ask.length === 0 || pool === null) return new Map();
  const kinds = [...Map.groupBy(ask, ({ system, features }) => JSON.stringify([system, features]))];
  const answers = await fleet(context, run).reach(
    run.identity.account.id,
    { pool, repository: run.identity.repository.id, exchange: run.exchange },
    kinds.map(([, [one]]) => ({
      system: one === undefined || one.system === "builtin" ? null : one.system,
      features: one?.features ?? [],
    })),
  );
  return new Map(
    kinds.flatMap(([, same], index) => {
      const answer = answers[index];
      return answer === undefined ? [] : same.map(({ drv }) => [drv, answer] as const);
    }),
  );
}

function fence(context: Context, of: Fenced): void {
  context.store.sql.exec(
    "INSERT OR REPLACE INTO fence (job, attempt) VALUES (?, ?)",
    of.job,
    of.attempt,
  );
  end(context, endedWith(claims(context), of.job, of.attempt + 1));
}

function write({ store }: Context, rows: readonly Claim[]): void {
  for (const row of rows)
    store.sql.exec(
      "INSERT OR REPLACE INTO claim (job, attempt, claim, drvs, wanted, adrift) VALUES (?, ?, ?, ?, ?, ?)",
      row.job,
      row.attempt,
      row.claim,
      JSON.stringify(row.drvs),
      row.wanted ? 1 : 0,
      row.adrift ? 1 : 0,
    );
}

function claims({ store }: Context): Claim[] {
  return store.sql
    .exec<ClaimRow>("SELECT * FROM claim")
    .toArray()
    .map((row) => ({
      ...row,
      drvs: JSON.parse(row.drvs) as string[],
      wanted: row.wanted === 1,
      adrift: row.adrift === 1,
    }));
}

function end(context: Context, ended: readonly Claim[]): void {
  for (const { job, attempt, claim: number } of ended)
    context.store.sql.exec(
      "DELETE FROM claim WHERE job = ? AND attempt = ? AND claim = ?",
      job,
      attempt,
      number,
    );
  const drvs = freed(ended);
  for (let at = 0; at < drvs.length; at += CLAIM.drvs)
    context.tell({ kind: "freed", drvs: drvs.slice(at, at + CLAIM.drvs) });
}

/** Verdicts of derivations that were tried, or judged before, and did not succeed. */
function failuresOf({ store }: Context, drvs: readonly string[]): Map<string, Verdict> {
  const found = new Map<string, Verdict>();
  for (const { drv, verdict } of store.derivationsByDrv(drvs)) {
    // What only stands on a failure is answered by its cause.
    if (verdict !== null && verdict.kind !== "succeeded" && verdict.kind !== "dependency-failed")
      found.set(drv, verdict);
  }
  for (const { drv, verdict } of store.in("SELECT drv, verdict FROM failure WHERE drv IN", drvs)) {
    // Written by `takeFailed`.
    if (typeof drv === "string" && typeof verdict === "string")
      found.set(drv, JSON.parse(verdict) as Verdict);
  }
  return found;
}

/** All waits of goals about which something is to be decided: somebody has to be asked, or all that they need is done. */
function waiting({ store }: Context): Wait[] {
  return store.sql
    .exec<WaitRow>(
      `SELECT * FROM wait WHERE goal IN (SELECT goal FROM wait LEFT JOIN derivation ON derivation.drv = wait.drv GROUP BY goal
         HAVING max(derivation.drv IS NULL OR wait.exchange = 0) = 1 OR min(derivation.state = 'done') = 1 LIMIT ${STEP})`,
    )
    .toArray()
    .map((row) => ({
      ...row,
      features: JSON.parse(row.features) as string[],
      missing: JSON.parse(row.missing) as string[],
      exchange: row.exchange === 1,
    }));
}

function drvsOf(waits: readonly Wait[]): string[] {
  return [...new Set(waits.map(({ drv }) => drv))];
}

function save({ store }: Context, { added, over }: Waits): void {
  for (const goal of over) store.sql.exec("DELETE FROM wait WHERE goal = ?", goal);
  for (const { goal, drv, name, system, features, missing, exchange } of added)
    store.sql.exec(
      "INSERT OR REPLACE INTO wait (goal, drv, name, system, features, missing, exchange) VALUES (?, ?, ?, ?, ?, ?, ?)",
      goal,
      drv,
      name,
      system,
      JSON.stringify(features),
      JSON.stringify(missing),
      exchange ? 1 : 0,
    );
}
