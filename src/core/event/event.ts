import type { Sender } from "../repo/request.ts";

/** The repository as a payload describes it. */
export type EventRepository = {
  id: number;
  owner: { id: number; login: string };
  name: string;
  private: boolean;
  defaultBranch: string;
  cloneUrl: string;
  /** ISO time of the repository's own last change; null where the payload has none. */
  updatedAt: string | null;
};

export type EventPull = {
  number: number;
  state: "open" | "closed";
  merged: boolean;
  draft: boolean;
  head: string;
  headRef: string;
  base: string;
  baseRef: string;
  /** The head is in another repository, or in one that is gone. */
  fork: boolean;
  author: string;
  /** ISO time (s). */
  updatedAt: string;
  /** ISO time (s); null while it is open. What is changed of it later leaves this as it is. */
  closedAt: string | null;
};

/** What a delivery means to us: GitHub's payload, read once. */
export type Event = {
  /** Who and where; null where the payload does not say. */
  repository: EventRepository | null;
  installation: number | null;
  sender: Sender | null;
  what: What;
};

export type What =
  /** `sha` is null for a deletion. `pushedAt` is Unix time (s). */
  | {
      kind: "push";
      ref: string;
      before: string | null;
      sha: string | null;
      pushedAt: number | null;
    }
  | { kind: "pull_request"; action: PullAction; pull: EventPull; before: string | null }
  | {
      kind: "merge_group";
      action: "checks_requested" | "destroyed";
      head: string;
      headRef: string;
      base: string;
    }
  | { kind: "check_run"; action: "rerequested"; externalId: string; head: string }
  | {
      kind: "check_run";
      action: "requested_action";
      id: number;
      identifier: string;
      externalId: string;
      head: string;
    }
  | { kind: "check_suite"; action: "rerequested"; head: string }
  /** On a pull request, by a person. `at` is when GitHub says it was made (Unix ms). */
  | { kind: "comment"; pull: number; id: number; at: number; body: string }
  | { kind: "repository"; action: RepositoryAction }
  | {
      kind: "installation";
      action: InstallationAction;
      added: InstalledRepository[];
      removed: number[];
    }
  | { kind: "ping" }
  /** Recorded, nothing to do. */
  | { kind: "other"; event: string; action: string | null };

export type PullAction =
  | "opened"
  | "synchronize"
  | "reopened"
  | "retargeted"
  | "closed"
  | "changed";
export type RepositoryAction = "transferred" | "deleted" | "changed";
export type InstallationAction =
  | "created"
  | "deleted"
  | "suspended"
  | "unsuspended"
  | "repositories";
export type InstalledRepository = { id: number; owner: string; name: string; private: boolean };
