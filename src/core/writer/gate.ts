import type { Gate } from "./rows.ts";

/** GitHub's secondary limit of content-creating requests (a minute), and the part only aggregates may use. */
export const CONTENT_PER_MINUTE = 80;
export const CONTENT_RESERVE = 10;
/** Requests of the primary limit that are kept for aggregates. */
export const PRIMARY_RESERVE = 200;

export function openGate(now: number): Gate {
  return { pausedUntil: 0, remaining: null, resetAt: 0, tokens: CONTENT_PER_MINUTE, filledAt: now };
}

/** The bucket at `now`. */
export function fill(gate: Gate, now: number): Gate {
  const gained = (Math.max(0, now - gate.filledAt) * CONTENT_PER_MINUTE) / 60_000;
  return {
    ...gate,
    tokens: Math.min(CONTENT_PER_MINUTE, gate.tokens + gained),
    filledAt: Math.max(now, gate.filledAt),
  };
}

/** What an answer says about limits. `retryAt`: GitHub wants silence until then. */
export type LimitNews = {
  remaining: number | null;
  resetAt: number | null;
  retryAt: number | null;
};

export function learn(gate: Gate, news: LimitNews): Gate {
  return {
    ...gate,
    remaining: news.remaining ?? gate.remaining,
    resetAt: news.resetAt ?? gate.resetAt,
    pausedUntil: Math.max(gate.pausedUntil, news.retryAt ?? 0),
  };
}

/** When a request may go out: `now` or earlier means at once. `content`: it creates something. */
export function opensAt(gate: Gate, aggregate: boolean, content: boolean, now: number): number {
  let at = gate.pausedUntil;
  const floor = aggregate ? 0 : PRIMARY_RESERVE;
  if (gate.remaining !== null && gate.remaining <= floor && gate.resetAt > now)
    at = Math.max(at, gate.resetAt);
  const needed = 1 + (aggregate ? 0 : CONTENT_RESERVE);
  if (content && gate.tokens < needed)
    at = Math.max(
      at,
      gate.filledAt + Math.ceil(((needed - gate.tokens) * 60_000) / CONTENT_PER_MINUTE),
    );
  return at;
}
