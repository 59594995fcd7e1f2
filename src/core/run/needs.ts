import type { ToRun } from "../../protocol/data.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { Draft } from "./draft.ts";
import type { Changes, DerivationRow, Slice } from "./rows.ts";

/** A goal that was given back, and one derivation below it that its runner could not build; one row. */
export type Wait = {
  goal: string;
  drv: string;
  name: string;
  system: string;
  features: string[];
  /** What the runner lacked. */
  missing: string[];
  /** The closure of `drv` is in the run's exchange. */
  exchange: boolean;
};

/** Who can build a derivation: what every runner lacks, what every runner with the run's exchange lacks; null is nothing. */
export type Reach = { anybody: string[] | null; partners: string[] | null };

/** Rows of waits that are new, and goals that wait no longer. */
export type Waits = { added: Wait[]; over: string[] };

/** How often a goal may be given back: a longer alternation between runners is a mistake of theirs. */
const ROUNDS = 8;

type Needs = Extract<ToRun, { kind: "needs" }>;

/** Goals of an attempt that is current, given back. The slice has them, what they need, and their attributes. */
export function needs(
  slice: Slice,
  job: number,
  { exchange, needed, goals }: Needs,
): { changes: Changes; waits: Waits } {
  const draft = new Draft(slice);
  const waits: Waits = { added: [], over: [] };
  if (draft.run.stopped !== null) return { changes: draft.changes(), waits };
  const known = new Map(needed.map((one) => [one.drv, one]));
  for (const goal of goals) {
    const row = draft.derivation(goal.drv);
    if (row?.job !== job || row.state !== "leased") continue;
    const below = [...new Set(goal.needs)].flatMap((drv) => known.get(drv) ?? []);
    if (below.length === 0 || row.rounds >= ROUNDS) {
      draft.judgeDerivation(row, roundabout(row, below[0]?.drv), 0, null, false);
      continue;
    }
    draft.giveBack(row);
    for (const one of below) waits.added.push({ goal: row.drv, ...one, exchange });
  }
  return { changes: draft.changes(), waits };
}

/**
 * What becomes of goals that wait. The slice has their rows, those of what they need (where there are any), and their
 * attributes. `waits` are all the rows of each goal in it.
 *
 * @param reach for derivations that have no row or are not to be built elsewhere yet; without an entry, they are asked about later.
 */
export function advance(
  slice: Slice,
  waits: readonly Wait[],
  reach: ReadonlyMap<string, Reach>,
): { changes: Changes; waits: Waits } {
  const draft = new Draft(slice);
  const over: string[] = [];
  for (const [goal, below] of Map.groupBy(waits, (wait) => wait.goal)) {
    const row = draft.derivation(goal);
    if (draft.run.stopped !== null || row?.state !== "waiting") {
      over.push(goal);
      continue;
    }
    const found = below.map((wait) => ({ wait, stand: stand(draft, row, wait, reach) }));
    const bad = found.find(({ stand: { kind } }) => kind === "bad");
    if (bad !== undefined && bad.stand.kind === "bad") {
      draft.judgeDerivation(row, bad.stand.verdict, 0, null, false);
      over.push(goal);
    } else if (found.every(({ stand: { kind } }) => kind === "there")) {
      draft.move(row, "ready", null);
      over.push(goal);
    }
  }
  return { changes: draft.changes(), waits: { added: [], over } };
}

type Stand = { kind: "there" } | { kind: "open" } | { kind: "bad"; verdict: Verdict };

/** Where one need stands; makes it a derivation of the run where somebody else can build it. */
function stand(
  draft: Draft,
  goal: DerivationRow,
  wait: Wait,
  reach: ReadonlyMap<string, Reach>,
): Stand {
  const row = draft.derivation(wait.drv);
  if (row !== null && row.verdict !== null && row.verdict.kind !== "succeeded")
    return { kind: "bad", verdict: standsOn(row.drv, row.verdict) };
  if (wait.exchange && row !== null && inExchange(row)) return { kind: "there" };
  if (wait.exchange && row !== null && row.verdict === null) return { kind: "open" };
  const who = reach.get(wait.drv);
  if (who === undefined) return { kind: "open" };
  if (who.anybody !== null) {
    const verdict: Verdict = { kind: "no-runner", missing: who.anybody };
    return { kind: "bad", verdict: standsOn(wait.drv, verdict) };
  }
  if (!wait.exchange || who.partners !== null) {
    const { drv, system, missing } = wait;
    return { kind: "bad", verdict: { kind: "needs-exchange", drv, system, missing } };
  }
  // Known from an earlier run is not yet in the exchange: it is built, or found and put there.
  if (row !== null) draft.rebuild(row);
  else {
    const { drv, name, system, features } = wait;
    const { selection, path } = goal;
    draft.addDerivation({ drv, name, system, features, selection, path }, "ready");
  }
  return { kind: "open" };
}

/** Those of the waits that somebody has to be asked about. */
export function toAsk(waits: readonly Wait[], rows: readonly DerivationRow[]): Wait[] {
  const known = new Map(rows.map((row) => [row.drv, row]));
  return waits.filter(({ drv, exchange }) => {
    const row = known.get(drv);
    if (row === undefined) return true;
    if (row.verdict !== null && row.verdict.kind !== "succeeded") return false;
    return !exchange || (row.verdict !== null && !inExchange(row));
  });
}

/** A runner has brought it there in this run; what an earlier one built may be gone. */
function inExchange({ verdict, job }: DerivationRow): boolean {
  return verdict?.kind === "succeeded" && job !== null;
}

function standsOn(drv: string, verdict: Verdict): Verdict {
  switch (verdict.kind) {
    case "dependency-failed":
    case "cancelled":
    case "superseded":
    case "infrastructure":
    case "needs-exchange":
      return verdict;
    default:
      return {
        kind: "dependency-failed",
        cause: drv,
        verdict: verdict.kind,
        logTail: "logTail" in verdict ? verdict.logTail : "",
      };
  }
}

function roundabout({ drv }: DerivationRow, needed: string | undefined): Verdict {
  return {
    kind: "infrastructure",
    message:
      needed === undefined
        ? `The runner gave ${drv} back and did not say what it needs.`
        : `${drv} was given back ${ROUNDS} times because of something that other runners build, the last time ${needed}: runners do not find it in their exchange.`,
    logTail: "",
  };
}
