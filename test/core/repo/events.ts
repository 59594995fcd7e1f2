import type { Event, EventPull, EventRepository, What } from "../../../src/core/event/event.ts";
import type { Sender } from "../../../src/core/repo/request.ts";

/** Events of one repository, with as much said as a test is about. */

export const A = "a".repeat(40);
export const B = "b".repeat(40);
export const C = "c".repeat(40);
export const D = "d".repeat(40);
export const ada: Sender = { login: "ada", id: 3, type: "User" };
export const eve: Sender = { login: "eve", id: 4, type: "User" };

export const repository: EventRepository = {
  id: 1,
  owner: { id: 2, login: "o" },
  name: "r",
  private: false,
  defaultBranch: "main",
  cloneUrl: "https://github.com/o/r.git",
  updatedAt: null,
};
export const event = (what: What, over: Partial<Event> = {}): Event => ({
  repository,
  installation: 9,
  sender: ada,
  what,
  ...over,
});
export const push = (
  ref: string,
  sha: string | null,
  before: string | null = null,
  pushedAt: number | null = null,
) => event({ kind: "push", ref: `refs/heads/${ref}`, before, sha, pushedAt });
const pull = (over: Partial<EventPull> = {}): EventPull => ({
  number: 7,
  state: "open",
  merged: false,
  draft: false,
  head: A,
  headRef: "topic",
  base: B,
  baseRef: "main",
  fork: false,
  author: "ada",
  updatedAt: "2026-01-01T00:00:00Z",
  closedAt: null,
  ...over,
});
/** What GitHub says of a pull request of the repository, beside its head and state. */
export const ABOUT = {
  headRef: "topic",
  base: B,
  baseRef: "main",
  fork: false,
  draft: false,
  author: "ada",
};
export const pr = (
  action: Extract<What, { kind: "pull_request" }>["action"],
  over: Partial<EventPull> = {},
  before: string | null = null,
  sender = ada,
) => event({ kind: "pull_request", action, pull: pull(over), before }, { sender });
export const rerun = (externalId: string, head = A) =>
  event({ kind: "check_run", action: "rerequested", externalId, head });
export const say = (body: string, sender: Sender = ada, id = 5, at = 1_000_000) =>
  event({ kind: "comment", pull: 7, id, at, body }, { sender });
export const press = (identifier: string, head = A, sender: Sender = ada, run = 1, id = 9) =>
  event(
    {
      kind: "check_run",
      action: "requested_action",
      id,
      identifier,
      externalId: `check:1-${run}:snowcat`,
      head,
    },
    { sender },
  );
