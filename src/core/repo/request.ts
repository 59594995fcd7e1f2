import type { RunId } from "../../protocol/identifiers.ts";

/** Which repository a call or a run is about: ids decide, names are for people and URLs. */
export type RepositoryIdentity = {
  /** The GitHub host, such as `github.com`. */
  host: string;
  account: { id: number; login: string };
  installation: number;
  repository: {
    id: number;
    owner: string;
    name: string;
    private: boolean;
    defaultBranch: string;
    cloneUrl: string;
  };
};

/** Why a run exists. Heads and bases are full SHAs, `ref` is a full ref, the others are branch names. */
export type RunReason =
  | { kind: "push"; ref: string; head: string; before: string | null }
  | {
      kind: "pull_request";
      number: number;
      head: string;
      headRef: string;
      base: string;
      baseRef: string;
      fork: boolean;
      author: string;
      /** Patterns of attributes that somebody asked for beside the pull request's set. */
      also?: string[];
      /** Where somebody asked again: for everything, for what failed, or for what of these patterns failed. */
      retry?: Retry;
    }
  | { kind: "merge_group"; head: string; headRef: string; base: string }
  | DeployReason;

/** Somebody asked for machines: to see what would change, to change them, or to take one back. */
export type DeployReason = {
  kind: "deploy";
  /** The very commit; of a rollback, the head it was asked for at. */
  head: string;
  /** The full ref that it stands on. */
  ref: string;
  pull: number | null;
  /** Of the command, or of what else began it: used once. */
  key: string;
  what:
    /** `prune`: what a cluster has and the commit has not is deleted. */
    | { kind: "plan" | "deploy"; targets: string[]; force: boolean; prune?: boolean }
    /** Null is the generation before, `last-good` that of the newest deploy that was well and does not run now. */
    | { kind: "rollback"; machine: string; generation: number | "last-good" | null }
    | { kind: "observe"; targets: string[] };
  /** Where no person did, what began it, and the rollout that it goes by; null is a look at machines. */
  begun?: { by: "push" | "schedule"; rollout: string | null };
};
/** Reasons to judge a commit. */
export type JudgeReason = Exclude<RunReason, DeployReason>;

export type Retry = "all" | "failed" | string[];

/** Who caused something; `type` is GitHub's (`User`, `Bot`, `Organization`). */
export type Sender = { login: string; id: number; type: string };

export type RunRequest = {
  run: RunId;
  identity: RepositoryIdentity;
  reason: RunReason;
  /** Whoever brought the head: the pusher, the sender of `opened` or `synchronize`. */
  sender: Sender;
  /** A full SHA that somebody entitled approved, if any. */
  approved: string | null;
  /** Asked for again by a person: remembered failures and trees are not reused. */
  fresh: boolean;
  /** Runs of the same commit that give way to this one, or are over: it goes on with their check runs. */
  succeeds: RunId[];
  /** Unix time (ms). */
  requestedAt: number;
};
