import type { Scope } from "../../core/writer/index.ts";
import type { RunId } from "../../protocol/identifiers.ts";

/** What GitHub should show, as the Writer is told. */

/** A check run as GitHub should show it. One resource is one check run: `check:<run>:<name>`. */
export type DesiredCheck = {
  resource: string;
  run: RunId;
  /** The run gives way to another of the same commit, which may take this check run over. */
  yields: boolean;
  /** Runs of the same commit that gave way to this one, or were over: it goes on with their check runs. */
  succeeds: RunId[];
  /** What its run judges; wishes of earlier releases do not say. */
  scope?: Scope;
  /** Higher wins; a completed one is never overtaken by an incomplete one. */
  version: number;
  repository: { id: number; owner: string; name: string };
  name: string;
  head: string;
  detailsUrl: string;
  status: "queued" | "in_progress" | "completed";
  conclusion:
    | "success"
    | "failure"
    | "neutral"
    | "cancelled"
    | "timed_out"
    | "action_required"
    | "skipped"
    | null;
  title: string;
  summary: string;
  text: string | null;
  annotations: {
    path: string;
    start_line: number;
    end_line: number;
    annotation_level: "notice" | "warning" | "failure";
    message: string;
    title: string;
  }[];
  actions: { label: string; description: string; identifier: string }[];
  startedAt: number;
  completedAt: number | null;
};

/** A reaction to a comment. Once: GitHub takes the same one twice for one. */
export type DesiredReaction = {
  kind: "reaction";
  /** `reaction:<repository>:<comment>:<content>` */
  resource: string;
  repository: { id: number; owner: string; name: string };
  comment: number;
  content: "eyes" | "+1" | "-1" | "confused";
};

/**
 * A comment on a pull request. `sticky` is the one that is made once and edited afterwards (nobody is notified);
 * `comment` a new one, said once, where a person must act. Each is found again by `resource` in a hidden marker, and
 * only where our App wrote it.
 */
export type DesiredComment = {
  kind: "sticky" | "comment";
  /** `comment:<repository>:<pull>`, or `comment:<repository>:<pull>:<what it is about>`. */
  resource: string;
  /** Of a sticky one: higher wins. */
  version: number;
  repository: { id: number; owner: string; name: string };
  pull: number;
  /** Markdown without the marker, at most `COMMENT` characters. */
  body: string;
};
/**
 * A machine's deployment, in the environment of its name: made once, and each later version is one more status. It is found
 * again by `resource` in its payload, and only where our App made it.
 */
export type DesiredDeployment = {
  kind: "deployment";
  /** `deployment:<run>:<machine>:<direction>` */
  resource: string;
  /** Higher wins; one that has ended is never overtaken by one that goes on. */
  version: number;
  repository: { id: number; owner: string; name: string };
  sha: string;
  task: "deploy" | "deploy:rollback";
  environment: string;
  state: "in_progress" | "success" | "failure" | "error" | "inactive";
  /** GitHub takes 140 characters. */
  description: string;
  payload: {
    run: RunId;
    machine: string;
    counter: number;
    from: string | null;
    to: string | null;
    by: string;
    asked: string;
  };
  logUrl: string | null;
  environmentUrl: string | null;
  terminal: boolean;
};
/** An issue of ours: made once, and kept up to date; found again by `resource` in a hidden marker, where our App wrote it. */
export type DesiredIssue = {
  kind: "issue";
  /** `issue:<repository>:<what it is about>` */
  resource: string;
  /** Higher wins. */
  version: number;
  repository: { id: number; owner: string; name: string };
  title: string;
  /** Markdown without the marker, at most `COMMENT` characters. */
  body: string;
  state: "open" | "closed";
};
/** Everything that is said beside checks. */
export type DesiredWord = DesiredReaction | DesiredComment | DesiredDeployment | DesiredIssue;
/** Characters of a comment: GitHub takes 65,536 with the marker. */
export const COMMENT = 65_000;
