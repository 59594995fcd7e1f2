import type { Row } from "./rows.ts";

/**
 * A run of the same commit takes over the check run that an earlier one left open: people see one check go on, not one
 * cancelled and another begun. Null where there is nothing to take: it is completed already (a new check run shows
 * that it was run again), or a request is on its way and nobody knows its check run.
 */
export function takeOver(heir: Row, older: Row): { heir: Row; older: Row } | null {
  const completed = older.terminal && older.shown >= older.version;
  if (
    older.place !== heir.place ||
    older.run === heir.run ||
    completed ||
    older.state === "retired"
  )
    return null;
  if (older.state === "sending" || older.state === "unknown") return null;
  return {
    heir: { ...heir, checkRun: older.checkRun, annotated: 0 },
    older: { ...older, state: "retired", checkRun: null },
  };
}
