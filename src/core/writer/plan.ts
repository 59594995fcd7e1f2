import { fill, opensAt } from "./gate.ts";
import { behind } from "./behind.ts";
import { heldUntil } from "./hold.ts";
import type { Action, Gate, Row } from "./rows.ts";
import { waitsForOlder } from "./takeover.ts";

/** Requests on their way at once, for one installation; at most one for each resource. */
export const CONCURRENCY = 8;

export type Plan = {
  actions: Action[];
  gate: Gate;
  /** When to plan again if nothing else happens; null: nothing is left to do. */
  wakeAt: number | null;
};

/** What to send now. Rows that are chosen must be marked `sending`, durably, before the request leaves. */
export function plan(rows: readonly Row[], now: number, filledGate: Gate): Plan {
  let gate = fill(filledGate, now);
  let room = CONCURRENCY - rows.filter((row) => row.state === "sending").length;
  let wakeAt: number | null = null;
  const actions: Action[] = [];
  const waiting = rows.filter((row) => row.state !== "sending" && behind(row));
  for (const row of waiting.toSorted(byUrgency)) {
    const kind = next(row);
    // Planned again when that request comes back, or at its lookup.
    if (kind === "create" && waitsForOlder(row, rows)) continue;
    const at = Math.max(
      row.dueAt,
      heldUntil(row, rows),
      opensAt(gate, row.aggregate, kind !== "lookup", now),
    );
    if (at > now) {
      wakeAt = Math.min(wakeAt ?? at, at);
      continue;
    }
    // Rows that find no room are planned again when a request comes back.
    if (room === 0) continue;
    room -= 1;
    if (kind !== "lookup") gate = { ...gate, tokens: gate.tokens - 1 };
    if (gate.remaining !== null) gate = { ...gate, remaining: gate.remaining - 1 };
    actions.push({ resource: row.resource, kind, version: row.version, annotated: row.annotated });
  }
  return { actions, gate, wakeAt };
}

/** GitHub takes the same reaction twice for one: there is nothing to look up before it is asked for again. */
function next(row: Row): Action["kind"] {
  if (row.state === "unknown" && row.kind !== "reaction") return "lookup";
  return row.shownId === null ? "create" : "update";
}

/** Aggregates, then what is completed, then what waits longest. */
function byUrgency(a: Row, b: Row): number {
  return (
    Number(b.aggregate) - Number(a.aggregate) ||
    Number(b.terminal) - Number(a.terminal) ||
    a.dueAt - b.dueAt
  );
}
