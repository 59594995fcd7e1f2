import type { PullRow } from "../repo/rows.ts";
import type { DeployReason, RunReason, Sender } from "../repo/request.ts";

/** Every command there is. What each takes and needs is declared once, in `registry.ts`. */
export const COMMANDS = [
  "help",
  "build",
  "test",
  "plan",
  "deploy",
  "confirm",
  "rollback",
  "lock",
  "unlock",
  "hold",
  "status",
  "cancel",
  "retry",
  "ok-to-test",
  "bump",
  "approve",
] as const;
export type CommandName = (typeof COMMANDS)[number];

/** A command as it was typed, valid by the grammar. What its arguments name is looked for later. */
export type Command = {
  name: CommandName;
  /** In their order, flags left out. */
  arguments: string[];
  /** Without the dashes; only such as the registry declares for the command. */
  flags: string[];
};

/** A line of a comment that begins like a command. `line` counts from 1. */
export type CommandLine =
  | { kind: "command"; line: number; command: Command }
  /** `problem` says what is wrong with it, as Markdown whose quotations are neutralised; `meant` is a near miss. */
  | { kind: "problem"; line: number; problem: string; meant: CommandName | null };

/**
 * One command that somebody asked for. It acts once: `key` is the comment's id and the line, or the check run's id, the
 * SHA and the action.
 */
export type Asked = {
  key: string;
  command: Command;
  by: Sender;
  via: "comment" | "button";
  pull: number;
  /** Of the comment, or of the delivery for a button (Unix ms). */
  at: number;
  /** The full SHA that the button carries; null for a comment (its arguments may name one). */
  sha: string | null;
  /** For the reaction and the reply; null for a button. */
  comment: number | null;
};

/** What GitHub and the repository say at the moment of acting. Unknown is null, and null is no. */
export type Facts = {
  now: number;
  /** The collaborator's `role_name`. */
  role: string | null;
  /** Slugs of those teams, of the ones that `teamsNamed(policy)` lists, in which the person is active. */
  teams: string[];
  policy: CommandPolicy;
  pull: PullRow | null;
  /** The default branch's head, as far as it is recorded; missing where it is not. */
  branch?: string | null;
  /** The head's runs, newest first. */
  runs: {
    n: number;
    state: "active" | "superseded" | "finished";
    conclusion: string | null;
    reason: RunReason["kind"];
  }[];
  /** Runs for machines that go on, of this pull request and head, or of the default branch's. */
  deploys?: { n: number; what: DeployReason["what"]["kind"]; by: Sender }[];
  /** Those of the repository; missing where none of this is asked for. */
  machines?: readonly KnownTarget[];
  /** Given by `/approve` on this pull request, for whichever commit. */
  approvals: Approval[];
  /** Locks and holds of the account's machines; empty while nothing keeps any. */
  locks: MachineLock[];
};

export type Approval = { by: Sender; sha: string };

/** A machine that is not to be changed. `pull` may change it all the same; null for a hold, which stops everybody. */
export type MachineLock = {
  machine: string;
  by: string;
  pull: number | null;
  reason: string | null;
  /** It is another repository's, whose pull requests have numbers of their own. */
  foreign?: boolean;
};

/** A machine that the account's deploy runners may change for the repository, and how it is, as `/status` tells it. */
export type KnownTarget = { name: string; hostKey: string; word: string };

/** From the default branch's configuration, key `policy`. */
export type CommandPolicy = {
  writers: readonly string[];
  /** Stricter than the registry, or laxer where it allows that. */
  commands: Partial<Record<CommandName, CommandRule>>;
  /** Of flags that need more than their command does. */
  flags?: Readonly<Record<string, Pick<CommandRule, "permission" | "teams">>>;
};

/**
 * What replaces the registry's word on who may: the least role, or being in one of these teams; with both, either is
 * enough. `approvals` is how many others must have approved the very head.
 */
export type CommandRule = {
  permission?: Role;
  teams?: readonly string[];
  approvals?: number;
};

export const ROLES = ["read", "triage", "write", "maintain", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** What becomes of a command. */
export type Judgement =
  /** To be done, on this very commit (null where the command needs none). */
  | { kind: "act"; command: Command; sha: string | null }
  /** `why` says what is missing and what to do, as Markdown whose quotations are neutralised. */
  | { kind: "refuse"; code: RefusalCode; why: string }
  /** The same command with the SHA, for the person to send: what was typed could be raced. */
  | { kind: "ask-for-sha"; command: string; why: string };

export type RefusalCode =
  | "permission"
  | "origin"
  | "head-moved"
  | "closed"
  | "not-a-pull-request"
  | "checks"
  | "locked"
  | "approval"
  | "nothing-to-do"
  | "not-available";
