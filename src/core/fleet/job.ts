import type { Pool } from "../../protocol/identifiers.ts";
import type { Verdict } from "../../protocol/verdict.ts";

/**
 * queued → offering (attempt n counted, the Run is being told) → offered → accepted → running → done.
 * `suspect`: the lease ran out; attempt n stays valid until n + 1 is offered.
 */
export type JobState =
  | "queued"
  | "offering"
  | "offered"
  | "accepted"
  | "running"
  | "suspect"
  | "done";

/** A job as the Fleet keeps it; one row. Times in ms. */
export type FleetJob = {
  job: string;
  /** Numeric id. */
  repository: number;
  pool: Pool;
  /** Null is any. */
  system: string | null;
  features: readonly string[];
  /** Preferred while it is present: it has what the job works on. */
  prefer: string | null;
  /** Any runner of the pool that passes closures through this exchange may take it. */
  exchange: string | null;
  /**
   * Without an exchange: what keeps the run's jobs for one system on one runner, its home; a key of `homes`. Null for
   * jobs that may go anywhere.
   */
  pin: string | null;
  /** Host keys of the machines it is about: its runner's own policy must let it change each, for the repository. */
  machines: readonly string[];
  /** It changes a machine: an attempt that was taken is never followed by another one. */
  once: boolean;
  queuedAt: number;
  state: JobState;
  /** The newest attempt; 0 before the first offer. */
  attempt: number;
  /** Who has, or last had, the newest attempt. Null when nothing it says about it counts any more. */
  runner: string | null;
  /** When the state was entered. */
  since: number;
  /** Attempts that were taken and came to nothing. */
  losses: number;
  /** Offers in a row that were not taken. */
  declines: number;
  /** Not offered before this time. */
  notBefore: number;
  /** Offered elsewhere first. */
  avoid: string | null;
  /** Why it is to be stopped. */
  cancel: string | null;
  /** Of the verdict, when done. */
  digest: string | null;
};

/** A runner as matching sees it. */
export type FleetRunner = {
  runner: string;
  class: string;
  pool: Pool;
  /** Null is every repository of the account. */
  repositories: readonly number[] | null;
  /** As last probed; null before its first hello. */
  systems: readonly string[] | null;
  features: readonly string[];
  /** The exchange that it passes closures through. */
  exchange: string | null;
  /** Machines that its own policy lets it change, and for which repositories (numeric ids). */
  targets: readonly { hostKey: string; repositories: readonly number[] }[];
  online: boolean;
  draining: boolean;
  /** While it has not passed, the runner counts as present although it may be away (ms). */
  leaseUntil: number;
  slots: number;
  /** Attempts it has been offered or holds. */
  used: number;
};

export type JobEvent =
  /** It is about to be offered to `runner` as the next attempt. */
  | { kind: "offer"; runner: string }
  /** The Run knows of the attempt; the offer goes out. */
  | { kind: "sent" }
  | { kind: "accept"; attempt: number; runner: string }
  | { kind: "decline"; attempt: number; runner: string; reason: string }
  | { kind: "started"; attempt: number; runner: string }
  | { kind: "finished"; attempt: number; runner: string; verdict: Verdict; digest: string }
  /** The runner says that it holds the attempt. */
  | { kind: "held"; attempt: number; runner: string }
  /** The runner has spoken and does not hold what it should. */
  | { kind: "absent"; runner: string }
  /** The deadline of the state has passed. */
  | { kind: "expired" }
  /** No runner of the account can take it any more. */
  | { kind: "impossible"; missing: readonly string[] }
  | { kind: "cancel"; reason: string };

export type JobEffect =
  /** Final: to the Run. A null digest is the caller's to compute from the verdict's JSON text. */
  | { kind: "forward"; attempt: number; verdict: Verdict; digest: string | null }
  | { kind: "tell-started"; attempt: number; runner: string }
  /** Nothing is heard of the attempt, or its runner has it no longer: what it keeps from others may be taken. */
  | { kind: "tell-adrift"; attempt: number }
  | { kind: "cancel"; attempt: number; runner: string; reason: string }
  | { kind: "forget"; attempt: number; runner: string; reason: string };

export type Step = { job: FleetJob; effects: JobEffect[] };
