import type { KeyObject } from "node:crypto";
import type { GitStore } from "./git.ts";

/** Plain records of what the double knows. Ids are numeric and unique over all kinds, like GitHub's database ids. */

export type Role = "admin" | "maintain" | "write" | "triage" | "read" | "none";
export type Level = "read" | "write" | "admin";
export type Permissions = Record<string, Level>;

export interface Account {
  id: number;
  login: string;
  type: "User" | "Organization" | "Bot";
  /** Who owns an organization, and with it every repository there. */
  ownerIds: Set<number>;
}

export interface App {
  id: number;
  slug: string;
  name: string;
  ownerId: number;
  clientId: string;
  /** PKCS#1, as GitHub hands keys out. */
  privateKeyPem: string;
  publicKey: KeyObject;
  webhookSecret: string;
  hookUrl: string | null;
  hookId: number;
  botId: number;
  permissions: Permissions;
  events: string[];
  createdAt: string;
}

export interface Installation {
  id: number;
  appId: number;
  accountId: number;
  repositories: "all" | Set<number>;
  permissions: Permissions;
  events: string[];
  suspendedAt: string | null;
  createdAt: string;
}

export interface RequiredCheck {
  context: string;
  /** null: any app's check run or a commit status satisfies it. */
  appId: number | null;
}

export interface Protection {
  checks: RequiredCheck[];
  /** The head must contain the base's tip. */
  strict: boolean;
  /** Without it, who administers the repository may pass over failing checks. */
  enforceAdmins: boolean;
  /** No merge commits. */
  linear: boolean;
  allowForcePushes: boolean;
  allowDeletions: boolean;
}

export interface Repository {
  id: number;
  ownerId: number;
  name: string;
  description: string | null;
  mergeMethods: { merge: boolean; squash: boolean; rebase: boolean };
  deleteBranchOnMerge: boolean;
  private: boolean;
  parentId: number | null;
  defaultBranch: string;
  roles: Map<number, Role>;
  protections: Map<string, Protection>;
  labels: { id: number; name: string }[];
  git: GitStore;
  nextNumber: number;
  createdAt: string;
  pushedAt: string;
}

/** `unknown`: being computed; `known`: for exactly this (head, base) pair. */
export type Mergeability =
  | { state: "unknown"; asked: number }
  | { state: "known"; head: string; base: string; mergeSha: string | null };

export interface Pull {
  /** The repository may be gone, its owner is remembered. */
  head: { repoId: number; ownerId: number; ref: string; sha: string };
  base: { ref: string; sha: string };
  draft: boolean;
  mergeability: Mergeability;
  mergedAt: string | null;
  mergedById: number | null;
  mergeCommitSha: string | null;
  maintainerCanModify: boolean;
}

/** An issue, or with `pull` a pull request: they share numbers, comments and labels. */
export interface Issue {
  id: number;
  number: number;
  repoId: number;
  userId: number;
  /** The App whose installation made it. */
  appId: number | null;
  title: string;
  body: string | null;
  state: "open" | "closed";
  labels: { id: number; name: string }[];
  createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  pull: Pull | null;
}

export type PullRequest = Issue & { pull: Pull };

export interface Comment {
  id: number;
  repoId: number;
  issueNumber: number;
  userId: number;
  appId: number | null;
  body: string;
  createdAt: string;
  updatedAt: string;
  /** The count of requests when it was made: lists that lag show it later. */
  bornAt: number;
}

export const reactionContents = [
  "+1",
  "-1",
  "laugh",
  "confused",
  "heart",
  "hooray",
  "rocket",
  "eyes",
] as const;
export type ReactionContent = (typeof reactionContents)[number];

export interface Reaction {
  id: number;
  /** The comment, or the issue or pull request. */
  subjectId: number;
  userId: number;
  content: ReactionContent;
  createdAt: string;
}

export type CheckStatus = "queued" | "in_progress" | "completed";
export type Conclusion =
  | "success"
  | "failure"
  | "neutral"
  | "cancelled"
  | "skipped"
  | "timed_out"
  | "action_required"
  | "stale";

export interface Annotation {
  path: string;
  start_line: number;
  end_line: number;
  start_column?: number;
  end_column?: number;
  annotation_level: "notice" | "warning" | "failure";
  message: string;
  title?: string;
  raw_details?: string;
}

export interface CheckAction {
  label: string;
  identifier: string;
  description: string;
}

export interface CheckRun {
  id: number;
  repoId: number;
  appId: number;
  suiteId: number;
  headSha: string;
  name: string;
  externalId: string;
  detailsUrl: string | null;
  status: CheckStatus;
  conclusion: Conclusion | null;
  startedAt: string;
  completedAt: string | null;
  output: { title: string | null; summary: string | null; text: string | null };
  annotations: Annotation[];
  actions: CheckAction[];
  bornAt: number;
}

export interface CheckSuite {
  id: number;
  repoId: number;
  appId: number;
  headSha: string;
  headBranch: string | null;
  before: string | null;
  status: CheckStatus;
  conclusion: Conclusion | null;
  createdAt: string;
  updatedAt: string;
}

export interface CommitStatus {
  id: number;
  repoId: number;
  sha: string;
  creatorId: number;
  state: "error" | "failure" | "pending" | "success";
  context: string;
  description: string | null;
  targetUrl: string | null;
  createdAt: string;
}

export interface Deployment {
  id: number;
  repoId: number;
  creatorId: number;
  sha: string;
  ref: string;
  task: string;
  environment: string;
  description: string | null;
  payload: Record<string, unknown> | string;
  createdAt: string;
  statuses: DeploymentStatus[];
}

export interface DeploymentStatus {
  id: number;
  state: string;
  creatorId: number;
  description: string;
  logUrl: string;
  environmentUrl: string;
  createdAt: string;
}

export interface Delivery {
  id: number;
  guid: string;
  appId: number;
  event: string;
  action: string | null;
  installationId: number | null;
  repositoryId: number | null;
  redelivery: boolean;
  deliveredAt: string;
  /** The same in milliseconds, which GitHub does not tell. */
  sentAt: number;
  /** Seconds; GitHub gives a float. */
  duration: number;
  /** 0 while under way or when nothing answered. */
  statusCode: number;
  status: string;
  /** The exact bytes, so that a redelivery sends them again. */
  payload: string;
  requestHeaders: Record<string, string>;
  responseHeaders: Record<string, string>;
  responseBody: string;
}

export interface LedgerEntry {
  kind:
    | "invalid-request"
    | "unknown-field"
    | "invalid-response"
    | "invalid-webhook"
    | "not-implemented"
    | "unknown-path"
    | "crash";
  /** Who sent it; "double" for what the double itself got wrong. */
  actor: "anonymous" | "user" | "app" | "installation" | "double";
  /** "POST /repos/a/b/check-runs (checks/create)", or the webhook's name. */
  where: string;
  detail: string;
}
