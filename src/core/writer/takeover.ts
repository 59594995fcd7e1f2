import type { Row } from "./rows.ts";

/**
 * A run takes over the check run that a run before it left open: people see one check go on, not one cancelled and
 * another begun. Only where the Repo decided that the older one gave way to it: two runs that live side by side on one
 * commit have check runs of their own. Null where there is nothing to take: it is completed already (a new check run
 * shows that it was run again), or a request is on its way and nobody knows its check run.
 */
export function takeOver(heir: Row, older: Row): { heir: Row; older: Row } | null {
  const gaveWay = older.place === heir.place && gave(heir, older);
  // One that ended by itself may have been shown completed, and have something to add.
  const completed =
    older.terminal && (older.shown >= older.version || (!older.yields && older.shown > 0));
  if (!gaveWay || completed || older.state === "retired") return null;
  if (older.state === "sending" || older.state === "unknown") return null;
  return {
    heir: { ...heir, shownId: older.shownId, annotated: 0 },
    older: { ...older, state: "retired", shownId: null },
  };
}

function gave(heir: Row, older: Row): boolean {
  return older.run !== null && heir.succeeds.includes(older.run);
}

/**
 * Whether the heir has to wait: the older run's check run is just being made, or nobody knows whether it was. One made
 * beside it could come to stand below it, and what stands last is what people and branch protection go by.
 */
export function waitsForOlder(heir: Row, rows: readonly Row[]): boolean {
  return rows.some(
    (older) =>
      older.place === heir.place &&
      gave(heir, older) &&
      older.shownId === null &&
      (older.state === "sending" || older.state === "unknown"),
  );
}

/**
 * Whether a run that gave way is heard no more: once its successor has spoken it may close what it left open, and say
 * nothing else. A success of it that comes late must not stand for the successor's.
 */
export function silenced(known: Row | null, conclusion: string | null): boolean {
  return known === null || known.terminal || conclusion !== "cancelled";
}
