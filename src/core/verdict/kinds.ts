import type { Verdict, VerdictKind } from "../../protocol/verdict.ts";

/** Time for which a failure is reused (ms): long enough for a burst of pushes, short enough to heal by itself. */
export const FAILURE_TTL = 6 * 60 * 60 * 1_000;

/** What a verdict speaks about: the change, or everything around it. Total, like the table of conclusions. */
const ABOUT: Record<VerdictKind, "good" | "change" | "surroundings" | "stopped"> = {
  succeeded: "good",
  failed: "change",
  "dependency-failed": "change",
  "hash-mismatch": "change",
  "timed-out": "change",
  silent: "change",
  "out-of-memory": "change",
  "out-of-disk": "surroundings",
  "evaluation-error": "change",
  conflict: "change",
  "no-runner": "surroundings",
  "needs-exchange": "surroundings",
  "not-covered": "change",
  "evaluated-only": "good",
  "needs-approval": "stopped",
  cancelled: "stopped",
  superseded: "stopped",
  infrastructure: "surroundings",
};

/**
 * Whether a derivation's verdict may be reused: a success for good, a failure for `FAILURE_TTL`, and only where the
 * builder itself exited. `null`: not at all. A hash that did not match is not remembered: what is at the other end of a
 * fetch may change, and the derivation stays the same.
 */
export function reusable(verdict: Verdict): { milliseconds: number } | null {
  switch (verdict.kind) {
    case "succeeded":
      return { milliseconds: Number.POSITIVE_INFINITY };
    case "failed":
      return verdict.exitCode === null ? null : { milliseconds: FAILURE_TTL };
    case "hash-mismatch":
    case "timed-out":
    case "dependency-failed":
    case "silent":
    case "out-of-memory":
    case "out-of-disk":
    case "evaluation-error":
    case "conflict":
    case "no-runner":
    case "needs-exchange":
    case "not-covered":
    case "evaluated-only":
    case "needs-approval":
    case "cancelled":
    case "superseded":
    case "infrastructure":
      return null;
  }
}

/**
 * Whether a whole judged tree that holds such a verdict may stand for the same tree again: where each part of it was
 * judged by a builder that exited. Of a dependency only the kind is known; its own verdict, where it has one, counts too.
 */
export function replayable(verdict: Verdict): boolean {
  switch (verdict.kind) {
    case "succeeded":
    case "evaluated-only":
      return true;
    case "dependency-failed":
      return verdict.verdict === "failed";
    default:
      return reusable(verdict) !== null;
  }
}

/** Whether it is worth a second try, once, without anybody asking: the change was not judged. */
export function retried(kind: VerdictKind): boolean {
  return kind === "infrastructure";
}

/** Whether a verdict has a check run of its own, named after its root cause. */
export function rooted(kind: VerdictKind): boolean {
  return (
    (ABOUT[kind] === "change" && kind !== "conflict" && kind !== "not-covered") ||
    kind === "out-of-disk"
  );
}
