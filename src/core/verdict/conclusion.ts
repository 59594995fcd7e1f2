import type { VerdictKind } from "../../protocol/verdict.ts";

/** The conclusions of GitHub's check runs that Snowcat uses. `skipped` is never one: it satisfies a required check. */
export type Conclusion =
  | "success"
  | "failure"
  | "neutral"
  | "cancelled"
  | "timed_out"
  | "action_required";

type Row = {
  /** For what must succeed before a merge: anything but `success` blocks it. */
  required: Exclude<Conclusion, "neutral">;
  /** For what is only listed. */
  optional: Conclusion;
  /** The verdict in words. */
  word: string;
  /** What to do about it; empty where there is nothing to do. */
  advice: string;
};

/** Total: a new verdict does not compile before its row is here. */
const TABLE: Record<VerdictKind, Row> = {
  succeeded: { required: "success", optional: "success", word: "succeeded", advice: "" },
  failed: {
    required: "failure",
    optional: "neutral",
    word: "failed",
    advice: "Read the log: the builder itself exited with an error.",
  },
  "dependency-failed": {
    required: "failure",
    optional: "neutral",
    word: "dependency failed",
    advice: "Fix the derivation named as the cause; this one was not tried.",
  },
  "hash-mismatch": {
    required: "failure",
    optional: "neutral",
    word: "hash mismatch",
    advice:
      "Put the hash that was got into the fixed-output derivation, if the new content is what you want.",
  },
  "timed-out": {
    required: "timed_out",
    optional: "neutral",
    word: "timed out",
    advice: "Make it faster, or split it; the limit is the runner's.",
  },
  silent: {
    required: "timed_out",
    optional: "neutral",
    word: "silent for too long",
    advice: "Let the build print something while it works, or find out why it hangs.",
  },
  "out-of-memory": {
    required: "failure",
    optional: "neutral",
    word: "out of memory",
    advice: "Use less memory, or give the runner more.",
  },
  "out-of-disk": {
    required: "failure",
    optional: "neutral",
    word: "out of disk",
    advice: "Free space in the runner's store, then re-run.",
  },
  "evaluation-error": {
    required: "failure",
    optional: "neutral",
    word: "evaluation error",
    advice: "Fix the expression at the position given.",
  },
  conflict: {
    required: "action_required",
    optional: "neutral",
    word: "merge conflict",
    advice: "Merge or rebase onto the base branch, then push.",
  },
  "no-runner": {
    required: "action_required",
    optional: "neutral",
    word: "no runner",
    advice: "Enrol a runner that has what is missing, or take the system out of the configuration.",
  },
  "needs-exchange": {
    required: "action_required",
    optional: "neutral",
    word: "needs an exchange",
    advice:
      "It needs something that only another runner can build: give the pool's runners an exchange, or this one a remote builder.",
  },
  "not-covered": {
    required: "action_required",
    optional: "neutral",
    word: "not covered",
    advice: "Add the attribute, or stop asking for it in the configuration.",
  },
  // Nothing required may end like this; should it all the same, it blocks.
  "evaluated-only": {
    required: "action_required",
    optional: "neutral",
    word: "evaluated only",
    advice: "",
  },
  "needs-approval": {
    required: "action_required",
    optional: "neutral",
    word: "needs approval",
    advice: "Someone with write access must approve this commit.",
  },
  cancelled: {
    required: "action_required",
    optional: "cancelled",
    word: "cancelled",
    advice: "Re-run the check when it is wanted.",
  },
  superseded: { required: "cancelled", optional: "cancelled", word: "superseded", advice: "" },
  infrastructure: {
    required: "action_required",
    optional: "neutral",
    word: "infrastructure failure",
    advice:
      "Not the change's fault; what can be tried again was tried twice. Set right what is said (a rate limit passes by itself, or with a token or a mirror), then re-run the check.",
  },
};

/** What GitHub is told about one verdict. */
export function conclusion(kind: VerdictKind, required: boolean): Conclusion {
  return required ? TABLE[kind].required : TABLE[kind].optional;
}

/** What GitHub is told of something that was ended before its time: that is no success, whatever it was ended with. */
export function endedWith(kind: VerdictKind): Conclusion {
  const told = TABLE[kind].required;
  return told === "success" ? "action_required" : told;
}

/** The kind that a text names; null for a text of another release. */
export function kindNamed(text: string): VerdictKind | null {
  // A key of the table is a kind.
  return Object.hasOwn(TABLE, text) ? (text as VerdictKind) : null;
}

export function word(kind: VerdictKind): string {
  return TABLE[kind].word;
}

export function advice(kind: VerdictKind): string {
  return TABLE[kind].advice;
}

/** Worst first. `cancelled` is above `action_required`: a run that was stopped says so before it asks for anything. */
const SEVERITY: readonly Conclusion[] = [
  "failure",
  "timed_out",
  "cancelled",
  "action_required",
  "neutral",
  "success",
];

/**
 * The conclusion of many verdicts together: the worst of what is required. What is not required never blocks, and alone
 * it is a success: `neutral` would say less and allow the same.
 */
export function rollup(verdicts: Iterable<{ kind: VerdictKind; required: boolean }>): Conclusion {
  let worst: Conclusion = "success";
  for (const { kind, required } of verdicts) {
    if (!required) continue;
    const one = conclusion(kind, true);
    if (SEVERITY.indexOf(one) < SEVERITY.indexOf(worst)) worst = one;
  }
  return worst;
}
