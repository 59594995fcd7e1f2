import type { Actor } from "./auth.ts";

/** What came in, one record per REST or GraphQL request. */
export interface RequestRecord {
  method: string;
  path: string;
  /** "graphql" for GraphQL, "unknown" where nothing is published. */
  operationId: string;
  actor: Actor["kind"];
  status: number;
  /** By the injected clock, milliseconds. */
  at: number;
  /** Answered by a fault: it counts as sent, not as done. */
  faulted: boolean;
  /** A GraphQL document with a mutation. */
  mutation?: true;
}

export interface Stats {
  requests: number;
  /** Every non-GET REST request, and every GraphQL mutation, except the minting of tokens. */
  writes: number;
  /** Those that GitHub's limit of 80 a minute and 500 an hour counts; see `contentCreating`. */
  content: number;
  /** Secondary-limit points: 1 for a read, 5 for a write. */
  points: number;
  byOperation: Record<string, number>;
}

/** POSTs that make something people see: GitHub's "content-generating requests". Updates are not in it. */
export const contentCreating = new Set([
  "checks/create",
  "issues/create",
  "issues/create-comment",
  "pulls/create",
  "reactions/create-for-issue",
  "reactions/create-for-issue-comment",
  "repos/create-commit-status",
  "repos/create-deployment",
  "repos/create-deployment-status",
]);

const minting = new Set(["apps/create-installation-access-token"]);

export const isWrite = (record: RequestRecord): boolean =>
  record.operationId === "graphql"
    ? record.mutation === true
    : record.method !== "GET" && record.method !== "HEAD" && !minting.has(record.operationId);

export function statsOf(records: readonly RequestRecord[]): Stats {
  const byOperation: Record<string, number> = {};
  for (const { operationId } of records)
    byOperation[operationId] = (byOperation[operationId] ?? 0) + 1;
  const writes = records.filter(isWrite).length;
  return {
    requests: records.length,
    writes,
    content: records.filter((one) => contentCreating.has(one.operationId)).length,
    points: records.length + 4 * writes,
    byOperation,
  };
}
