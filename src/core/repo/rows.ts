import type { Pool } from "../../protocol/identifiers.ts";
import type { JobKind } from "../../protocol/specification.ts";
import type { Command, RefusalCode } from "../command/command.ts";
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
  /** When the head was recorded (Unix ms); null is not known. */
  headSeenAt: number | null;
  /** Whether its closing was a merge; null while it is open, and where nobody told. */
  merged: boolean | null;
};

/** What GitHub says of a pull request beside its head and state. */
export type PullAbout = Pick<PullRow, "headRef" | "base" | "baseRef" | "fork" | "draft" | "author">;

export type RunRow = {
  n: number;
  /** What the run is for: of one key the newest counts. See `keyOf`. */
  key: string;
  head: string;
  reason: RunReason;
  sender: Sender;
  approved: string | null;
  fresh: boolean;
  /** Numbers of the runs of the same commit that gave way to it, or that were over before it. */
  succeeds: number[];
  state: "active" | "superseded" | "finished";
  conclusion: string | null;
};

/** Something that was asked for, as it stands. It acts once: `key` is never used again. */
export type CommandRow = {
  key: string;
  pull: number;
  /** Null for a button. */
  comment: number | null;
  line: number;
  via: "comment" | "button";
  by: Sender;
  /** As it is printed to people; of a line that is no command, what is wrong with it. */
  text: string;
  /** Null for a line that is none. */
  command: Command | null;
  /** When the comment was made or the button pressed (Unix ms). */
  at: number;
  /** The SHA that a button carries. */
  sha: string | null;
  /** `asked`: may they? is being asked. `acting`: they may, and is asked again just before. */
  state: "asked" | "acting" | "done";
  /** The SHA it was judged to act on. */
  actsOn: string | null;
  outcome: CommandOutcome | null;
};

/** What became of it; `text` is Markdown whose quotations are neutralised. */
export type CommandOutcome = {
  kind: "done" | "refused" | "asked-for-sha" | "problem";
  code: RefusalCode | "stale" | null;
  text: string;
};

/** A line of the audit log. */
export type AuditEntry = {
  key: string;
  pull: number;
  by: Sender;
  via: CommandRow["via"];
  command: string;
  sha: string | null;
  decision: string;
  reason: string;
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
  /** Commands of the wanted comment or key, in their order. */
  commands: CommandRow[];
  /** How many commands the wanted person gave in the last hour. */
  lately: number;
  /** Approvals on the wanted pull request, whichever the commit. */
  approvals: { by: Sender; sha: string }[];
};

/** What to load for an event. */
export type Want = {
  ref: string | null;
  pulls: { number?: number; head?: string; headRef?: string };
  /** `ofPulls`: those of the heads of the pull requests that are loaded; `ofRef`: of the ref's. `active`: all that are. */
  runs: {
    keys: string[];
    head?: string;
    n?: number;
    ofPulls?: boolean;
    ofRef?: boolean;
    active?: boolean;
  };
  commands?: { comment?: number; key?: string; lately?: { by: number; since: number } };
  approvals?: number;
};

export type Change =
  | { kind: "identity"; identity: RepositoryIdentity; updatedAt: string | null }
  | { kind: "head"; row: HeadRow }
  | { kind: "head-gone"; ref: string }
  | { kind: "pull"; row: PullRow }
  | { kind: "run"; row: RunRow; createdAt: number }
  | { kind: "command"; row: CommandRow }
  | { kind: "audit"; entry: AuditEntry; at: number }
  /** Somebody other than its author and pusher says that the commit may be deployed. */
  | { kind: "approval"; pull: number; sha: string; by: Sender; at: number }
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
  | { kind: "react"; comment: number; content: "eyes" | "+1" | "-1" | "confused" }
  /** Ask who it is that asks; the answer comes back to `answered`, again and again until the command is done. */
  | { kind: "ask-permission"; pull: number; key: string }
  /** A new comment: a person must act. */
  | { kind: "tell"; pull: number; about: string; body: string }
  /** The sticky comment has something new to say. */
  | { kind: "sticky"; pull: number }
  /** Whoever asked for a deploy (numeric id) confirms it. */
  | { kind: "confirm"; n: number; by: number }
  | { kind: "cancel-jobs"; n: number; of: JobKind; by: string }
  /** Tell the account and the index of the repository's name and visibility. */
  | { kind: "publish" }
  /** The account (its own, unless it says another) does not have the repository any more. */
  | { kind: "withdraw"; account?: number }
  /** Runners need keep nothing of the branch. */
  | { kind: "branch-gone"; ref: string }
  /** A pull request is over: machines that were locked for it are free, as soon as nothing of it is unresolved there. */
  | { kind: "free-machines"; pull: number }
  /** Compare the machines with the default branch, by what is known of them; `closed` is a pull request that was not merged. */
  | { kind: "drift"; closed: number | null };

/** Somebody says that a commit may run. `role` is the answer to `ask-role`; null when GitHub knows no such user. */
export type Approval = { sha: string; pull: number; by: Sender; role: string | null };

export type Decision = { changes: Change[]; effects: Effect[] };
