import type { Verdict } from "../../../protocol/verdict.ts";
import { Claims } from "./claims.ts";

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
  | { readonly kind: "out-of-memory" }
  | { readonly kind: "out-of-disk" }
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
}

export function runMemory(): RunMemory {
  return { failures: new Map(), claims: new Claims() };
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
      return { kind: "out-of-memory", limitBytes: null, logTail };
    case "out-of-disk":
      return { kind: "out-of-disk", logTail };
    case "no-runner":
      return { kind: "no-runner", missing: [...cause.missing] };
    case "infrastructure":
      return { kind: "infrastructure", message: cause.message, logTail };
  }
}

/** The verdict of an attribute that was not tried because of a derivation below it. */
export function dependencyVerdict(failure: Failure): Verdict {
  return {
    kind: "dependency-failed",
    cause: failure.drv,
    verdict: failure.cause.kind,
    logTail: failure.logTail,
  };
}
