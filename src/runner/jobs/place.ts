import type { Sink } from "../agent/sink.ts";
import type { Workspace } from "../nix/launch.ts";
import type { NixFacts } from "../nix/version.ts";

/** What every kind of job has at hand. */
export interface Place {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  readonly sink: Sink;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** A line for people in the job's own log. */
  readonly say: (line: string) => void;
}

/** A job with its source laid out. */
export interface EvaluationPlace extends Place {
  readonly tree: string;
  readonly revision: string | null;
}
