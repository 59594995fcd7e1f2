import type { Pool } from "../../protocol/identifiers.ts";
import type { RepositoryIdentity, RunReason, Sender } from "./request.ts";

/** Rows of a Repo object, as core reads and writes them. */

export type HeadRow = {
  ref: string;
  sha: string;
  before: string | null;
  /** Unix time (s) that GitHub gives for the push; null where it gave none. */
  pushedAt: number | null;
};

export type PullRow = {
  number: number;
  state: "open" | "closed";
  head: string;
  headRef: string;
  base: string;
  baseRef: string;
  fork: boolean;
  draft: boolean;
  author: string;
  /** Head that `synchronize` replaced by this one. */
  before: string | null;
  updatedAt: string;
  /** Whoever brought the head. */
  sender: Sender;
  /** SHA that somebody with write approved, and who. */
  approved: string | null;
  approvedBy: string | null;
};

export type RunRow = {
  n: number;
  /** What the run is for: of one key the newest counts. See `keyOf`. */
  key: string;
  head: string;
  reason: RunReason;
  sender: Sender;
  approved: string | null;
  fresh: boolean;
  /** Numbers of the runs of the same commit that gave way to it. */
  succeeds: number[];
  state: "active" | "superseded" | "finished";
};

/** What of the object's state an event needs (see `wants`), loaded by the shell. */
export type Slice = {
  identity: RepositoryIdentity | null;
  /** The repository's own time (ISO) when its names were last taken. */
  identityAt: string | null;
  /** Number of the next run. */
  nextRun: number;
  head: HeadRow | null;
  pulls: PullRow[];
  runs: RunRow[];
};

/** What to load for an event. */
export type Want = {
  ref: string | null;
  pulls: { number?: number; head?: string; headRef?: string };
  runs: { keys: string[]; head?: string; n?: number };
};

export type Change =
  | { kind: "identity"; identity: RepositoryIdentity; updatedAt: string | null }
  | { kind: "head"; row: HeadRow }
  | { kind: "head-gone"; ref: string }
  | { kind: "pull"; row: PullRow }
  | { kind: "run"; row: RunRow; createdAt: number }
  | { kind: "run-state"; n: number; state: RunRow["state"] }
  /** The default branch may have another configuration. */
  | { kind: "policy-stale" }
  /** What was remembered belongs to another owner's runners. */
  | { kind: "forget-verdicts"; pools: Pool[] | "all" };

export type Effect =
  | { kind: "start"; n: number }
  | { kind: "supersede"; n: number; by: string; yields: boolean }
  | { kind: "cancel"; n: number; by: string }
  /** Ask for the role of whoever approves; the answer comes back as an `approval`. */
  | { kind: "ask-role"; approval: Omit<Approval, "role"> }
  /** Tell the account and the index of the repository's name and visibility. */
  | { kind: "publish" }
  | { kind: "withdraw" }
  /** Runners need keep nothing of the branch. */
  | { kind: "branch-gone"; ref: string };

/** Somebody says that a commit may run. `role` is the answer to `ask-role`; null when GitHub knows no such user. */
export type Approval = { sha: string; pull: number; by: Sender; role: string | null };

export type Decision = { changes: Change[]; effects: Effect[] };
