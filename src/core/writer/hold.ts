import { behind } from "./behind.ts";
import type { Row } from "./rows.ts";

/**
 * How long the overall check waits, completed, for the others of its run (ms). Whoever waits for it finds them all
 * there; but a verdict lost behind a rate limit would be worse than one that comes first.
 */
export const LAST_HOLD = 30_000;
/** How long a run that gives way leaves its check runs open for its successor (ms). */
export const YIELD_HOLD = 10_000;

/** Until when (ms) a wish that could be sent is kept back; 0: not at all. */
export function heldUntil(row: Row, rows: readonly Row[]): number {
  if (!row.terminal) return 0;
  if (row.yields) return row.wishedAt + YIELD_HOLD;
  const waits =
    row.last && rows.some((other) => other.run === row.run && other !== row && behind(other));
  return waits ? row.wishedAt + LAST_HOLD : 0;
}
