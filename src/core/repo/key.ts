import type { RunId } from "../../protocol/identifiers.ts";
import type { RunReason } from "./request.ts";

/** Runs of the same key replace each other: one for a branch, one for a pull request, one for a merge group. */
export function keyOf(reason: RunReason): string {
  switch (reason.kind) {
    case "push":
      return `push:${reason.ref}`;
    case "pull_request":
      return `pull:${reason.number}`;
    case "merge_group":
      return `queue:${reason.headRef}`;
    case "deploy":
      // Never replaced by another one.
      return `deploy:${reason.key}`;
  }
}

/** Whether the commit comes from outside the repository: then it may be any commit that anybody can fetch. */
export function isFork(reason: RunReason): boolean {
  return reason.kind === "pull_request" && reason.fork;
}

/** Whether a run of this reason judges the same thing: a pull request's also depends on what it is to be merged into. */
export function sameSubject(a: RunReason, b: RunReason): boolean {
  if (keyOf(a) !== keyOf(b) || a.head !== b.head) return false;
  return a.kind !== "pull_request" || b.kind !== "pull_request" || a.baseRef === b.baseRef;
}

/** The number of the run that a check of ours belongs to, from its `external_id` (`check:<run>:<name>`). */
export function runOfCheck(externalId: string, repository: number): number | null {
  const found = /^check:([1-9][0-9]{0,15})-([1-9][0-9]{0,8}):/u.exec(externalId);
  return found !== null && Number(found[1]) === repository ? Number(found[2]) : null;
}

export function runId(repository: number, n: number): RunId {
  return `${repository}-${n}`;
}
