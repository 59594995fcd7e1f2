import type { Pool } from "../../protocol/identifiers.ts";
import type { Limits } from "../../protocol/specification.ts";
import type { Source } from "../../protocol/source.ts";
import type { RunTalk } from "../agent/run-talk.ts";
import type { Sink } from "../agent/sink.ts";
import type { Workspace } from "../nix/launch.ts";
import type { InputAccess } from "../source/inputs/access.ts";
import type { Exchange } from "../nix/exchange/exchange.ts";
import type { NixFacts } from "../nix/version.ts";
import type { Attest } from "../provenance/attest.ts";

/** What every kind of job has at hand. */
export interface Place {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  /** Version of the nix-eval-jobs at hand; null without. */
  readonly evalJobs: string | null;
  readonly sink: Sink;
  readonly talk: RunTalk;
  /** The one of the run, where this runner has it. */
  readonly exchange: Exchange | null;
  readonly pool: Pool;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Signs what is built; absent where nobody asks who built it. */
  readonly attest?: Attest;
  /** A line for people in the job's own log. */
  readonly say: (line: string) => void;
}

/** Limits of what evaluation builds; null in a pool where it never may, whatever the specification says. */
export function importsOf(
  { pool }: Place,
  limits: Limits,
): { buildSeconds: number; silentSeconds: number } | null {
  return pool === "untrusted" ? null : limits;
}

/** A job with its source laid out. */
export interface EvaluationPlace extends Place {
  readonly tree: string;
  readonly revision: string | null;
  /** What the flakes of an exported tree are to take for their revision. */
  readonly shownAs: Source["shownAs"] | null;
  readonly inputs: InputAccess;
}
