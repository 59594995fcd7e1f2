import type { Pool, RunId } from "../../protocol/identifiers.ts";
import type { JobKind } from "../../protocol/specification.ts";
import type { Provenance } from "../../protocol/provenance.ts";
import type { Verdict, VerdictKind } from "../../protocol/verdict.ts";
import type { Conclusion } from "../verdict/index.ts";
import type { Retry } from "../repo/request.ts";

/** The life of a run. `finished` is for good. */
export type Phase =
  | "preparing"
  | "waiting-approval"
  | "evaluating"
  | "building"
  /** Everything is built; machines are planned, changed or looked at. */
  | "deploying"
  | "finished";

export type Rules = {
  /** For each selection: the systems whose derivations are required; null requires every one. */
  systems: (string[] | null)[];
  /** Patterns of attribute names (the set of this kind of run); what none names is not required. */
  set: string[];
  /** In a run that was asked for again: what is done again whatever is known of it. Without it: everything. */
  retry?: Retry;
  /** Those of them that must name something and have not yet. Missing in runs of an earlier release. */
  unmatched?: string[];
};

/** One row for each run; counters are kept with every change, so that nothing counts over the attributes. */
export type RunRow = {
  phase: Phase;
  pool: Pool | null;
  /** What must be built; the rest is evaluated only. */
  rules: Rules;
  /** Attribute rows, how many have no verdict, how many of those that are required have succeeded. */
  attributes: number;
  pending: number;
  required: number;
  requiredSucceeded: number;
  /** Verdicts that forbid to remember the whole tree. */
  unreplayable: number;
  /** Jobs made so far, and those that are not finished. */
  jobs: number;
  openJobs: number;
  /** Derivations that are known and have no verdict. */
  openDerivations: number;
  /** How the evaluation ended; null while it goes on. */
  evaluation: Verdict | null;
  /** Why the run was ended before its time: conflict, approval, cancellation, supersession, GitHub away. */
  stopped: Verdict | null;
  /** The runner that evaluates: derivations are in its store. */
  evaluator: string | null;
  fresh: boolean;
  /**
   * What the run does with machines once everything is built: nothing, not yet, or how that ended. Missing in runs of an
   * earlier release.
   */
  rollout?: "none" | "open" | Conclusion;
};

export type JobState = "new" | "queued" | "offered" | "running" | "finished";
export type Aside = "base" | "impact";
export type JobRow = {
  /** Number within the run, counted from 1. */
  number: number;
  kind: JobKind;
  /** Work beside the run, which neither waits for it nor judges by it: evaluates the base, or compares machines. */
  aside: Aside | null;
  state: JobState;
  system: string | null;
  features: string[];
  attempt: number;
  runner: string | null;
  verdict: Verdict | null;
  digest: string | null;
  /** How often this work had been tried before, as another job. */
  retries: number;
  /** How many of its attempts were started. */
  starts: number;
  /** Not handed to the Fleet before (Unix ms); 0 is at once. */
  notBefore: number;
  /** The Fleet must be told to end it. */
  cancel: string | null;
};

/** A stream of an attempt of this run's, or (`run`) of an earlier one's where that has built it. */
export type LogOf = { run?: RunId; job: number; attempt: number; stream: string };

export type AttributeRow = {
  /** Order of arrival, counted from 1. */
  index: number;
  selection: number;
  path: string[];
  name: string;
  system: string | null;
  drv: string | null;
  required: boolean;
  verdict: Verdict | null;
  /** Key of the root cause of a failure: a derivation, or the attribute's own; null where there is none. */
  cause: string | null;
  seconds: number;
  log: LogOf | null;
  /** Who built it, when and wherever that was; of a success only. */
  provenance: Provenance | null;
};

/**
 * `unknown`: the Repo is to be asked. `ready`: to be leased. `leased`: in a job. `waiting`: for what another runner
 * builds. `done`: judged.
 */
export type DerivationState = "unknown" | "ready" | "leased" | "waiting" | "done";
export type DerivationRow = {
  drv: string;
  name: string;
  system: string;
  features: string[];
  state: DerivationState;
  /** The job that has it, or had it last; null of one whose verdict was known before. */
  job: number | null;
  /** How often it was given back because of something that another runner builds. */
  rounds: number;
  /** The attribute a job names when it asks for the derivation. */
  selection: number;
  path: string[];
  verdict: Verdict | null;
  seconds: number;
  /** The Repo is to be told the verdict. */
  remember: boolean;
  provenance: Provenance | null;
  /** Log of an earlier success: what there is to read when this run finds it built. */
  earlier: LogOf | null;
};

/** Rows an input needs; the shell loads them, core changes copies. */
export type Slice = {
  run: RunRow;
  jobs: JobRow[];
  attributes: AttributeRow[];
  derivations: DerivationRow[];
};

/** What is to be added to the count of attributes with this verdict. */
export type Delta = { kind: VerdictKind; required: boolean; by: number };

/** What is to be written: whole rows, by key. `run` is always the whole row. */
export type Changes = {
  run: RunRow;
  counts: Delta[];
  jobs: JobRow[];
  attributes: AttributeRow[];
  derivations: DerivationRow[];
};
