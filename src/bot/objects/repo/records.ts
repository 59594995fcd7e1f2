import type { CommandRow, HeadRow, PullRow, RunRow } from "../../../core/repo/rows.ts";
import type { RepositoryIdentity, RunReason } from "../../../core/repo/request.ts";

/** Rows as SQLite has them, and as core has them. */

export type IdentityRecord = {
  host: string;
  account: number;
  login: string;
  installation: number;
  repository: number;
  owner: string;
  name: string;
  private: number;
  default_branch: string;
  clone_url: string;
  named_at: string | null;
};
export function identityOf(r: IdentityRecord): RepositoryIdentity {
  return {
    host: r.host,
    account: { id: r.account, login: r.login },
    installation: r.installation,
    repository: {
      id: r.repository,
      owner: r.owner,
      name: r.name,
      private: r.private === 1,
      defaultBranch: r.default_branch,
      cloneUrl: r.clone_url,
    },
  };
}

export type HeadRecord = {
  ref: string;
  sha: string;
  before: string | null;
  pushed_at: number | null;
};
export function headOf(r: HeadRecord): HeadRow {
  return { ref: r.ref, sha: r.sha, before: r.before, pushedAt: r.pushed_at };
}

type SenderRecord = { sender_login: string; sender_id: number; sender_type: string };
function senderOf(r: SenderRecord) {
  return { login: r.sender_login, id: r.sender_id, type: r.sender_type };
}

export type PullRecord = SenderRecord & {
  number: number;
  state: "open" | "closed";
  head: string;
  head_ref: string;
  base: string;
  base_ref: string;
  fork: number;
  draft: number;
  author: string;
  before: string | null;
  updated_at: string;
  approved: string | null;
  approved_by: string | null;
  head_seen_at: number | null;
  merged: number | null;
};
export function pullOf(r: PullRecord): PullRow {
  return {
    number: r.number,
    state: r.state,
    head: r.head,
    headRef: r.head_ref,
    base: r.base,
    baseRef: r.base_ref,
    fork: r.fork === 1,
    draft: r.draft === 1,
    author: r.author,
    before: r.before,
    updatedAt: r.updated_at,
    sender: senderOf(r),
    approved: r.approved,
    approvedBy: r.approved_by,
    headSeenAt: r.head_seen_at,
    merged: r.merged === null ? null : r.merged === 1,
  };
}

export type RunRecord = SenderRecord & {
  n: number;
  key: string;
  head: string;
  reason: string;
  approved: string | null;
  fresh: number;
  succeeds: string;
  state: RunRow["state"];
  conclusion: string | null;
  created_at: number;
};
export function runOf(r: RunRecord): RunRow {
  return {
    n: r.n,
    key: r.key,
    head: r.head,
    reason: JSON.parse(r.reason) as RunReason,
    sender: senderOf(r),
    approved: r.approved,
    fresh: r.fresh === 1,
    succeeds: JSON.parse(r.succeeds) as number[],
    state: r.state,
    conclusion: r.conclusion,
  };
}

export type CommandRecord = {
  key: string;
  pull: number;
  comment: number | null;
  line: number;
  via: CommandRow["via"];
  who: string;
  text: string;
  command: string | null;
  at: number;
  sha: string | null;
  state: CommandRow["state"];
  acts_on: string | null;
  outcome: string | null;
};
export function commandOf(r: CommandRecord): CommandRow {
  return {
    key: r.key,
    pull: r.pull,
    comment: r.comment,
    line: r.line,
    via: r.via,
    by: JSON.parse(r.who) as CommandRow["by"],
    text: r.text,
    command: r.command === null ? null : (JSON.parse(r.command) as CommandRow["command"]),
    at: r.at,
    sha: r.sha,
    state: r.state,
    actsOn: r.acts_on,
    outcome: r.outcome === null ? null : (JSON.parse(r.outcome) as CommandRow["outcome"]),
  };
}
