/** One try of GitHub's to bring a delivery, as the App's log of deliveries has it. `at` is Unix time (ms). */
export type DeliveryAttempt = {
  id: number;
  guid: string;
  at: number;
  ok: boolean;
  redelivery: boolean;
};

/** A delivery of which a try failed. Gone from the book when GitHub can bring it no more. */
export type MissedRow = {
  guid: string;
  /** Of the newest try: what GitHub is asked to bring again. */
  id: number;
  at: number;
  /** A later try succeeded. */
  ok: boolean;
  /** How often it was asked for, and not before when again (ms). */
  asked: number;
  dueAt: number;
};

/** GitHub keeps what it failed to bring for three days (ms). */
export const KEPT_BY_GITHUB = 3 * 24 * 3_600_000;
/** Looked at again each time (ms): a delivery can fail after the sweep has passed it. */
const OVERLAP = 10 * 60_000;
/** A delivery that fails again and again is ours to mend: it is asked for less and less, and then no more (ms). */
const PAUSES = [2, 4, 8, 15, 30, 60, 180, 360, 720, 720].map((minutes) => minutes * 60_000);

/** How far the log was read. It is read from its newest entry back, in as many sweeps as it takes. */
export type Walk = {
  /** Everything older than this has been read (ms); null: nothing has. */
  until: number | null;
  /** When the walk that is under way began (ms), and where it goes on; null: none is. */
  top: number | null;
  cursor: string | null;
};

/** Until when (ms) a walk goes back. */
export function since(walk: Walk, now: number): number {
  return Math.max(now - KEPT_BY_GITHUB, (walk.until ?? 0) - OVERLAP);
}

/** After a page: `next` is where GitHub says it goes on, `oldest` when its oldest try was. */
export function walked(
  walk: Walk,
  page: { next: string | null; oldest: number | null },
  now: number,
): Walk {
  const top = walk.top ?? now;
  const over = page.next === null || page.oldest === null || page.oldest < since(walk, now);
  return over
    ? { until: top, top: null, cursor: null }
    : { until: walk.until, top, cursor: page.next };
}

/** The row after one more try was seen, in whatever order they are read; null where there is nothing to keep. */
export function noted(known: MissedRow | null, attempt: DeliveryAttempt): MissedRow | null {
  const { id, guid, at, ok, redelivery } = attempt;
  // What came at once is most of the log. That a second try came is kept: its first one is further down.
  if (known === null) return ok && !redelivery ? null : { guid, id, at, ok, asked: 0, dueAt: 0 };
  return { ...known, ok: known.ok || ok, id: Math.max(known.id, id), at: Math.max(known.at, at) };
}

/** The row after it was asked for; null when it has been asked for often enough. */
export function afterAsking(row: MissedRow, now: number): MissedRow | null {
  const pause = PAUSES[row.asked];
  return pause === undefined ? null : { ...row, asked: row.asked + 1, dueAt: now + pause };
}
