import type { JobId, RunId } from "../../protocol/identifiers.ts";
import type { Verdict } from "../../protocol/verdict.ts";

/** A stream of an attempt, of whichever run. */
export type LogPlace = { job: JobId; attempt: number; stream: string };

/** One time that a derivation was built: in which run, when (Unix ms), and what it printed. */
export type Evidence = { run: RunId; at: number; log: LogPlace | null };

/**
 * What became of one derivation in one pool, from its first failure on. It is flaky when both are there: the inputs
 * were the same, the end was not.
 */
export type History = {
  /** Of its attribute, as Nix spells it. */
  attribute: string;
  failed: Evidence | null;
  passed: Evidence | null;
  /** How many runs it failed and passed in, as far as they were counted. */
  failures: number;
  passes: number;
};

/** What a check says about a derivation that was flaky, or fails where its attribute was before. */
export type Flake = {
  drv: string;
  /** Null where only other derivations of the attribute were flaky. */
  proof: { failed: Evidence; passed: Evidence; failures: number; passes: number } | null;
  attribute: string;
  /** Derivations of the attribute that were flaky of late, this one included. */
  times: number;
};

/**
 * What a verdict says about the derivation itself; null is nothing. Only builds count: what is found in a store may be
 * another derivation's output (of the same fixed hash). A failure counts where a builder exited with an error, its own
 * or that of a derivation below; limits are the machine's, hashes and fetches the other side's, the rest ours.
 * @param seconds the derivation's own build took; 0 is none
 */
export function outcomeOf(verdict: Verdict, seconds: number): "passed" | "failed" | null {
  switch (verdict.kind) {
    case "succeeded":
      return seconds > 0 && !verdict.reused ? "passed" : null;
    case "failed":
      return verdict.exitCode === null ? null : "failed";
    case "dependency-failed":
      return verdict.verdict === "failed" ? "failed" : null;
    case "hash-mismatch":
    case "timed-out":
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

/** Whether the history of a derivation is worth asking for: it failed by itself, if only at a limit. */
export function mayBeFlaky({ kind }: Verdict): boolean {
  return (
    kind === "failed" ||
    kind === "dependency-failed" ||
    kind === "timed-out" ||
    kind === "silent" ||
    kind === "out-of-memory"
  );
}

/**
 * The history with one more build; the same run counts once. Without a failure there is none: most derivations never
 * fail, and cost nothing.
 * @param earlier how it passed before, as the memory of successes has it
 */
export function noted(
  known: History | null,
  earlier: Evidence | null,
  outcome: "passed" | "failed",
  evidence: Evidence,
  attribute: string,
): History | null {
  if (known === null) {
    if (outcome === "passed") return null;
    const passed = earlier?.run === evidence.run ? null : earlier;
    return { attribute, failed: evidence, passed, failures: 1, passes: passed === null ? 0 : 1 };
  }
  const last = known[outcome];
  if (last?.run === evidence.run) return known;
  const newest = last !== null && last.at > evidence.at ? last : evidence;
  return outcome === "failed"
    ? { ...known, attribute, failed: newest, failures: known.failures + 1 }
    : { ...known, attribute, passed: newest, passes: known.passes + 1 };
}

/** Both ends of the same derivation; null where it is not flaky. */
export function proofOf({ failed, passed, failures, passes }: History): Flake["proof"] {
  return failed === null || passed === null ? null : { failed, passed, failures, passes };
}
