import type { Action, Outcome, Row } from "./rows.ts";

/** Lists lag: how long after an unknown outcome, and after each lookup in vain, it is looked up (again) (ms). */
export const LOOKUPS = [1_000, 2_000, 4_000, 8_000, 15_000] as const;
/** Pause after a failure, doubled for each in a row, up to the last (ms). */
const BACKOFF = { first: 1_000, most: 5 * 60_000 } as const;

export type Wish = {
  resource: string;
  kind: Row["kind"];
  run: Row["run"];
  place: string;
  last: boolean;
  yields: boolean;
  succeeds: Row["succeeds"];
  version: number;
  aggregate: boolean;
  terminal: boolean;
  annotations: number;
};

/** The row for a new wish; null where it changes nothing: it is not newer, or would overtake a completed one. */
export function wish(row: Row | null, wanted: Wish, now: number): Row | null {
  if (row === null)
    return {
      ...wanted,
      wishedAt: now,
      shownId: null,
      shown: 0,
      annotated: 0,
      // It may be there from long ago, its row forgotten: looked for once before it is made.
      ...(isKept(wanted.kind)
        ? { state: "unknown", lookups: LOOKUPS.length - 1 }
        : { state: "idle", lookups: 0 }),
      failures: 0,
      dueAt: now,
    };
  if (
    row.state === "retired" ||
    wanted.version <= row.version ||
    (row.terminal && !wanted.terminal)
  )
    return null;
  // The successor's check run stands above it; completing this one again would make it the one completed last.
  if (row.terminal && wanted.yields) return null;
  const { state } = row;
  if (state === "parked")
    return { ...row, ...wanted, wishedAt: now, state: "idle", failures: 0, dueAt: now };
  return {
    ...row,
    ...wanted,
    wishedAt: now,
    dueAt: state === "idle" && row.failures === 0 ? now : row.dueAt,
  };
}

/** The row after an action, of the row as it is by now (wishes may have come meanwhile). */
export function settle(row: Row, action: Action, outcome: Outcome, now: number): Row {
  switch (outcome.kind) {
    case "shown":
      return {
        ...row,
        state: "idle",
        shownId: outcome.shownId,
        shown: Math.max(row.shown, action.version),
        annotated: Math.max(row.annotated, outcome.annotated),
        lookups: 0,
        failures: 0,
        dueAt: now,
      };
    case "found":
      return {
        ...row,
        state: "idle",
        shownId: outcome.shownId,
        annotated: Math.max(row.annotated, outcome.annotated),
        lookups: 0,
        failures: 0,
        dueAt: now,
      };
    case "absent": {
      const lookups = row.lookups + 1;
      const wait = LOOKUPS[lookups];
      if (wait !== undefined) return { ...row, state: "unknown", lookups, dueAt: now + wait };
      // One that never was is made, and so is a comment or issue that somebody deleted: there is something new to say.
      if (isKept(row.kind) || row.shownId === null)
        return { ...row, shownId: null, state: "idle", lookups: 0, dueAt: now };
      // A check run that was there is gone for good: its repository is.
      return { ...row, state: "parked", lookups: 0, dueAt: now };
    }
    case "unknown": {
      const failures = row.failures + 1;
      // A lookup without an answer says nothing: only those that found nothing count.
      const wait = action.kind === "lookup" || failures > 1 ? backoff(failures) : LOOKUPS[0];
      return { ...row, state: "unknown", failures, dueAt: now + wait };
    }
    case "limited":
      return { ...row, state: action.kind === "lookup" ? "unknown" : "idle", dueAt: now };
    case "refused":
      return {
        ...row,
        state: action.kind === "lookup" && row.shownId === null ? "unknown" : "parked",
        failures: row.failures + 1,
        dueAt: now + backoff(row.failures + 1),
      };
  }
}

/** Made once and edited ever after. */
function isKept(kind: Row["kind"]): boolean {
  return kind === "sticky" || kind === "issue";
}

/** A row found `sending` by an object that has just woken: its request may have had effect. */
export function recover(row: Row, now: number): Row {
  return row.state === "sending" ? { ...row, state: "unknown", lookups: 0, dueAt: now } : row;
}

function backoff(failures: number): number {
  return Math.min(BACKOFF.most, BACKOFF.first * 2 ** Math.min(failures - 1, 20));
}
