import type { Pool } from "../../protocol/identifiers.ts";
import type { JudgeReason } from "../repo/request.ts";

/** Where a change comes from, as far as it was proved. */
export type Origin =
  /** A commit on the default branch. */
  | "default-branch"
  /** A commit on another branch of the repository: whoever pushed it has write. */
  | "branch"
  /** The merge queue's own branch: somebody with write put its pull requests there. */
  | "merge-queue"
  /** A branch of the repository, brought by somebody with write. */
  | "writer"
  /** A branch of the repository, brought by an App or another bot (which needed write to push it). */
  | "bot"
  /** A branch of the repository, brought by somebody who has (or is known to have) no write. */
  | "stranger"
  /** The same, and the very head was approved. */
  | "stranger-approved"
  /** Another repository. */
  | "fork"
  /** The same, and the very head was approved. */
  | "fork-approved";

/** `policy.trusted` of the configuration: which origins are trusted. */
export type TrustRule = "repository" | "default-branch-and-merge-queue";

/** `no` marks what cannot be: such a question is refused. */
type Cell = Pool | "approval" | "no";

/**
 * The one table: event × origin → pool. Total, so that a new event or origin does not compile before somebody decided.
 * The second rule may only be stricter (a property test holds it to that).
 */
export const TABLE: Record<TrustRule, Record<JudgeReason["kind"], Record<Origin, Cell>>> = {
  repository: {
    push: {
      "default-branch": "trusted",
      branch: "trusted",
      "merge-queue": "no",
      writer: "no",
      bot: "no",
      stranger: "no",
      "stranger-approved": "no",
      fork: "no",
      "fork-approved": "no",
    },
    pull_request: {
      "default-branch": "no",
      branch: "no",
      "merge-queue": "no",
      writer: "trusted",
      bot: "trusted",
      stranger: "approval",
      "stranger-approved": "untrusted",
      fork: "approval",
      "fork-approved": "untrusted",
    },
    merge_group: {
      "default-branch": "no",
      branch: "no",
      "merge-queue": "trusted",
      writer: "no",
      bot: "no",
      stranger: "no",
      "stranger-approved": "no",
      fork: "no",
      "fork-approved": "no",
    },
  },
  "default-branch-and-merge-queue": {
    push: {
      "default-branch": "trusted",
      branch: "untrusted",
      "merge-queue": "no",
      writer: "no",
      bot: "no",
      stranger: "no",
      "stranger-approved": "no",
      fork: "no",
      "fork-approved": "no",
    },
    pull_request: {
      "default-branch": "no",
      branch: "no",
      "merge-queue": "no",
      writer: "untrusted",
      bot: "untrusted",
      stranger: "approval",
      "stranger-approved": "untrusted",
      fork: "approval",
      "fork-approved": "untrusted",
    },
    merge_group: {
      "default-branch": "no",
      branch: "no",
      "merge-queue": "trusted",
      writer: "no",
      bot: "no",
      stranger: "no",
      "stranger-approved": "no",
      fork: "no",
      "fork-approved": "no",
    },
  },
};
