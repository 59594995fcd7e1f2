import type { Event } from "../event/event.ts";
import { runOfCheck } from "./key.ts";
import type { Approval, Want } from "./rows.ts";
import { keyOfPress, LATELY } from "./said.ts";

const NOTHING: Want = { ref: null, pulls: {}, runs: { keys: [] } };

/** All that runs. */
export const EVERYTHING_ACTIVE: Want = { ...NOTHING, runs: { keys: [], active: true } };

/** Which rows `decide` needs for an event: bounded by the event, however large the repository is. */
export function wants(event: Event, now: number): Want {
  const { what } = event;
  switch (what.kind) {
    case "push": {
      const branch = branchOf(what.ref);
      if (branch === null) return NOTHING;
      return {
        ref: what.ref,
        pulls: { headRef: branch },
        runs: { keys: [`push:${what.ref}`], head: what.sha ?? undefined },
      };
    }
    case "pull_request":
      return {
        ref: what.pull.fork ? null : `refs/heads/${what.pull.headRef}`,
        pulls: { number: what.pull.number, headRef: what.pull.headRef },
        runs: {
          keys: [`pull:${what.pull.number}`, `push:refs/heads/${what.pull.headRef}`],
          head: what.pull.head,
        },
      };
    case "merge_group":
      return {
        ref: null,
        pulls: {},
        runs: { keys: [`queue:${what.headRef}`], head: what.head },
      };
    case "check_run": {
      const n = runOfCheck(what.externalId, event.repository?.id ?? 0) ?? undefined;
      const pressed =
        what.action === "requested_action"
          ? { commands: { key: keyOfPress(what), lately: lately(event, now) } }
          : {};
      const { head } = what;
      return { ref: null, pulls: { head }, runs: { keys: [], n, head }, ...pressed };
    }
    case "check_suite":
      return { ref: null, pulls: { head: what.head }, runs: { keys: [], head: what.head } };
    case "comment":
      return { ...NOTHING, commands: { comment: what.id, lately: lately(event, now) } };
    case "repository":
      return what.action === "changed" ? NOTHING : EVERYTHING_ACTIVE;
    case "installation":
    case "ping":
    case "other":
      return NOTHING;
  }
}

function lately(event: Event, now: number) {
  return { by: event.sender?.id ?? 0, since: now - LATELY };
}

/** For the answer about a command: its pull request, that one's runs, and what else its comment asked for. */
export function wantsForCommand(
  command: {
    key: string;
    comment: number | null;
    pull: number;
  },
  /** The full ref of the default branch. */
  ref: string | null = null,
): Want {
  const { key, comment, pull } = command;
  return {
    ref,
    pulls: { number: pull },
    runs: { keys: [`pull:${pull}`], ofPulls: true, ofRef: true },
    commands: comment === null ? { key } : { comment },
    approvals: pull,
  };
}

export function wantsForApproval(approval: Approval): Want {
  return {
    ref: null,
    pulls: { number: approval.pull },
    runs: { keys: [`pull:${approval.pull}`], head: approval.sha },
  };
}

/** Name of the branch; null for tags and everything else. */
export function branchOf(ref: string): string | null {
  return ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : null;
}
