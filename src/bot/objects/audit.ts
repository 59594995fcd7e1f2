import type { Refusal } from "../../protocol/control.ts";

/** A line of a repository's audit log: what a person asked for. Times are Unix ms. */
export type AuditRow = {
  id: number;
  at: number;
  /** The command's single-use key; empty where none was read. */
  key: string;
  pull: number;
  by: { login: string; id: number };
  via: "comment" | "button";
  /** As it is printed; a line that was none is cut. */
  command: string;
  sha: string | null;
  decision: string;
  reason: string;
};

/** What an account's runners and the control plane refused each other: by whom, of which runner, in which words. */
export type Refused = {
  /** `runner`: it would not do what it was offered. `fleet`, `run`: what the runner said does not count. */
  by: "runner" | "fleet" | "run";
  runner: string;
  job: string | null;
  attempt: number | null;
  what: Refusal | "stale";
  reason: string;
  /** SHA-256 (hex) of the text that was refused, where it was one. */
  digest: string | null;
};

/** A line of an account's audit log: when it was refused first and last (Unix ms), and how often. */
export type RefusalRow = Refused & { id: number; at: number; last: number; times: number };
