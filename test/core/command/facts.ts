import type { Asked, Command, Facts } from "../../../src/core/command/command.ts";
import type { Sender } from "../../../src/core/repo/request.ts";

/** A pull request of `topic` by ada, recorded long ago, whose run succeeded. */

export const HEAD = "a".repeat(40);
export const OLD = "b".repeat(40);
export const NOW = 1_800_000_000_000;
export const ada: Sender = { login: "ada", id: 3, type: "User" };
export const bob: Sender = { login: "bob", id: 5, type: "User" };
export const eve: Sender = { login: "eve", id: 4, type: "User" };

export type Pull = NonNullable<Facts["pull"]>;

export const pull = (over: Partial<Pull> = {}): Pull => ({
  number: 7,
  state: "open",
  head: HEAD,
  headRef: "topic",
  base: "c".repeat(40),
  baseRef: "main",
  fork: false,
  draft: false,
  author: ada.login,
  before: null,
  updatedAt: "2027-01-15T08:00:00Z",
  sender: ada,
  approved: null,
  approvedBy: null,
  headSeenAt: NOW - 3_600_000,
  merged: null,
  ...over,
});

export const finished = (conclusion: string, n = 1): Facts["runs"][number] => ({
  n,
  state: "finished",
  conclusion,
  reason: "pull_request",
});
export const active = (n = 2): Facts["runs"][number] => ({
  n,
  state: "active",
  conclusion: null,
  reason: "pull_request",
});

export const facts = (over: Partial<Facts> = {}): Facts => ({
  now: NOW,
  role: "write",
  teams: [],
  policy: { writers: [], commands: {} },
  pull: pull(),
  runs: [finished("success")],
  approvals: [],
  locks: [],
  ...over,
});

export const asked = (
  name: Command["name"],
  values: string[] = [],
  over: Partial<Asked> = {},
): Asked => ({
  key: "comment:1:1",
  command: { name, arguments: values, flags: [] },
  by: bob,
  via: "comment",
  pull: 7,
  at: NOW - 5_000,
  sha: null,
  comment: 1,
  ...over,
});
