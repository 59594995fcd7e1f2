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
  "not-covered": "change",
  "evaluated-only": "good",
  "needs-approval": "stopped",
  cancelled: "stopped",
  superseded: "stopped",
  infrastructure: "surroundings",
};

/**
 * Whether a derivation's verdict may be reused: a success for good, a failure for `FAILURE_TTL`, and only where the
 * builder itself exited or a time limit ended it. `null`: not at all.
 */
export function reusable(verdict: Verdict): { milliseconds: number } | null {
  switch (verdict.kind) {
    case "succeeded":
      return { milliseconds: Number.POSITIVE_INFINITY };
    case "failed":
      return verdict.exitCode === null ? null : { milliseconds: FAILURE_TTL };
    case "hash-mismatch":
    case "timed-out":
      return { milliseconds: FAILURE_TTL };
    case "dependency-failed":
    case "silent":
    case "out-of-memory":
    case "out-of-disk":
    case "evaluation-error":
    case "conflict":
    case "no-runner":
    case "not-covered":
    case "evaluated-only":
    case "needs-approval":
    case "cancelled":
    case "superseded":
    case "infrastructure":
      return null;
  }
}

/** Whether a whole judged tree that holds such a verdict may stand for the same tree again. */
export function replayable(kind: VerdictKind): boolean {
  return (
    kind === "succeeded" ||
    kind === "evaluated-only" ||
    kind === "failed" ||
    kind === "dependency-failed" ||
    kind === "hash-mismatch"
  );
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
