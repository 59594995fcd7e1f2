import type { Verdict } from "../../protocol/verdict.ts";

/** When GitHub is asked again for the test merge, after each answer that it is not known yet (ms). */
const WAITS = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000] as const;
/** When Snowcat gives up on it (ms). */
export const MERGE_DEADLINE = 5 * 60_000;

export type MergeAnswer =
  | { kind: "ready"; sha: string; head: string }
  | { kind: "conflict" }
  | { kind: "pending" }
  | { kind: "unavailable"; retryAfter: number; reason: string }
  /** No such pull request any more, or closed. */
  | { kind: "gone" };

export type MergeDecision =
  | { kind: "build"; sha: string }
  | { kind: "wait"; at: number }
  | { kind: "end"; verdict: Verdict };

/**
 * What to do with GitHub's answer about a pull request's test merge.
 *
 * @param asked how often it has been asked before this answer
 * @param since when it was asked first, and `now` (ms)
 */
export function decideMerge(
  answer: MergeAnswer,
  head: string,
  asked: number,
  since: number,
  now: number,
): MergeDecision {
  if (answer.kind === "ready" && answer.head === head) return { kind: "build", sha: answer.sha };
  if (answer.kind === "ready" && now - since < MERGE_DEADLINE)
    return { kind: "wait", at: now + wait(asked) };
  if (answer.kind === "ready")
    return {
      kind: "end",
      verdict: { kind: "superseded", by: `the pull request's head ${answer.head}` },
    };
  if (answer.kind === "conflict") {
    return {
      kind: "end",
      verdict: {
        kind: "conflict",
        message: "The head does not merge into its base without conflicts.",
      },
    };
  }
  if (answer.kind === "gone")
    return { kind: "end", verdict: { kind: "cancelled", by: "the closing of the pull request" } };
  const pause =
    answer.kind === "unavailable" ? Math.max(wait(asked), answer.retryAfter) : wait(asked);
  // A rate limit may last longer than GitHub has to compute a merge; it is waited for.
  if (
    now - since < MERGE_DEADLINE ||
    (answer.kind === "unavailable" && now - since < 24 * MERGE_DEADLINE)
  )
    return { kind: "wait", at: now + pause };
  const message =
    answer.kind === "unavailable"
      ? `GitHub could not be asked for the test merge: ${answer.reason}`.slice(0, 16_000)
      : `GitHub did not compute the test merge within ${MERGE_DEADLINE / 60_000} minutes.`;
  return { kind: "end", verdict: { kind: "infrastructure", message, logTail: "" } };
}

function wait(asked: number): number {
  return WAITS[Math.min(asked, WAITS.length - 1)] ?? 30_000;
}
