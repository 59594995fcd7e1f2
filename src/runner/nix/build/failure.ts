import type { KnownFailure } from "../../../protocol/data.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import { Claims } from "./claims.ts";
import { SecondTries } from "./second-try.ts";

/** Why a derivation's own build did not succeed. Never "its dependencies failed": that follows from the graph. */
export type Cause =
  | {
      readonly kind: "failed";
      readonly exitCode: number | null;
      /** What Nix says of it where there is no exit code; becomes the log's last line. */
      readonly said?: string;
      /** The signal that ended the builder. */
      readonly signal?: number;
    }
  | { readonly kind: "hash-mismatch"; readonly specified: string; readonly got: string }
  | { readonly kind: "timed-out" }
  | { readonly kind: "silent" }
  | {
      readonly kind: "out-of-memory";
      /** The limit that was passed; absent where the machine's own memory ran out. */
      readonly limitBytes?: number;
      readonly said?: string;
    }
  | { readonly kind: "out-of-disk"; readonly said?: string }
  | { readonly kind: "no-runner"; readonly missing: readonly string[] }
  | { readonly kind: "infrastructure"; readonly message: string };

/** A derivation that failed in this run on this runner: it is not tried again. */
export interface Failure {
  readonly drv: string;
  readonly cause: Cause;
  /** The last lines that it printed. */
  readonly logTail: string;
  /** Its log stream has something. */
  readonly printed: boolean;
  readonly seconds: number;
}

/** What one run has learnt on this runner; given to each of its build jobs in turn. */
export interface RunMemory {
  readonly failures: Map<string, Failure>;
  readonly claims: Claims;
  readonly secondTries: SecondTries;
}

export function runMemory(): RunMemory {
  return { failures: new Map(), claims: new Claims(), secondTries: new SecondTries() };
}

/** Limits that a verdict quotes (s). */
export interface BuildLimits {
  readonly buildSeconds: number;
  readonly silentSeconds: number;
}

/** The verdict of an attribute whose own derivation failed. */
export function ownVerdict({ drv, cause, logTail }: Failure, limits: BuildLimits): Verdict {
  switch (cause.kind) {
    case "failed":
      return { kind: "failed", drv, exitCode: cause.exitCode, logTail };
    case "hash-mismatch":
      return { kind: "hash-mismatch", drv, specified: cause.specified, got: cause.got };
    case "timed-out":
      return { kind: "timed-out", limitSeconds: limits.buildSeconds, logTail };
    case "silent":
      return { kind: "silent", limitSeconds: limits.silentSeconds, logTail };
    case "out-of-memory":
      return { kind: "out-of-memory", limitBytes: cause.limitBytes ?? null, logTail };
    case "out-of-disk":
      return { kind: "out-of-disk", logTail };
    case "no-runner":
      return { kind: "no-runner", missing: [...cause.missing] };
    case "infrastructure":
      return { kind: "infrastructure", message: cause.message, logTail };
  }
}

/**
 * The verdict of an attribute that was not tried because of a derivation below it. Where that one could not be judged
 * neither could this: it is no failure of the change, and is tried again together with what it waits for.
 */
export function dependencyVerdict(failure: Failure): Verdict {
  if (failure.cause.kind === "infrastructure")
    return {
      kind: "infrastructure",
      message: `not tried, because ${failure.drv} could not be: ${failure.cause.message}`.slice(
        0,
        16_384,
      ),
      logTail: failure.logTail,
    };
  return {
    kind: "dependency-failed",
    cause: failure.drv,
    verdict: failure.cause.kind,
    logTail: told(failure),
  };
}

/** What a person reads about a cause that is no attribute, and so has no verdict of its own to read. */
function told({ cause, logTail }: Failure): string {
  switch (cause.kind) {
    case "hash-mismatch":
      return `specified: ${cause.specified}\n      got: ${cause.got}`;
    case "no-runner":
      return `missing: ${cause.missing.join(", ")}`.slice(0, 16_384);
    case "failed":
    case "timed-out":
    case "silent":
    case "out-of-memory":
    case "out-of-disk":
    case "infrastructure":
      return logTail;
  }
}

/** A failure that another runner of the run has told of; nothing for a verdict that says nothing about the derivation. */
export function failureOf({ drv, verdict }: KnownFailure): Failure[] {
  const cause = causeOf(verdict);
  const logTail = "logTail" in verdict ? verdict.logTail : "";
  return cause === null ? [] : [{ drv, cause, logTail, printed: false, seconds: 0 }];
}

function causeOf(verdict: Verdict): Cause | null {
  switch (verdict.kind) {
    case "failed":
      return { kind: "failed", exitCode: verdict.exitCode };
    case "hash-mismatch":
      return { kind: "hash-mismatch", specified: verdict.specified, got: verdict.got };
    case "timed-out":
    case "silent":
    case "out-of-memory":
    case "out-of-disk":
      return { kind: verdict.kind };
    case "no-runner":
      return { kind: "no-runner", missing: verdict.missing };
    case "needs-exchange":
      return { kind: "no-runner", missing: verdict.missing };
    case "infrastructure":
      return { kind: "infrastructure", message: verdict.message };
    case "cancelled":
    case "superseded":
      return {
        kind: "infrastructure",
        message: `another runner's build was ended: ${verdict.kind}`,
      };
    case "succeeded":
    case "dependency-failed":
    case "evaluation-error":
    case "conflict":
    case "not-covered":
    case "evaluated-only":
    case "needs-approval":
      return null;
  }
}
