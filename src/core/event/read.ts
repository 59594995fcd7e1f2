import * as z from "zod";
import type {
  Event,
  EventPull,
  EventRepository,
  InstalledRepository,
  PullAction,
  What,
} from "./event.ts";
import {
  CheckRun,
  CheckSuite,
  Common,
  Installation,
  type Installed,
  IssueComment,
  MergeGroup,
  PullRequest,
  Push,
} from "./payload.ts";
import { timeOf } from "./time.ts";

/**
 * The meaning of a delivery. Events and actions that are not acted on become `other`; a payload that lacks what its own
 * event needs throws, so that it is set aside with the reason and not silently passed over.
 *
 * @throws with GitHub's event name and what is wrong with the payload.
 */
export function readEvent(name: string, payload: unknown): Event {
  const common = parse(Common, name, payload);
  return {
    repository: common.repository ? repositoryOf(common.repository) : null,
    installation: common.installation?.id ?? null,
    sender: common.sender ?? null,
    what: whatOf(name, common.action ?? null, payload),
  };
}

function whatOf(name: string, action: string | null, payload: unknown): What {
  switch (name) {
    case "ping":
      return { kind: "ping" };
    case "push":
      return push(parse(Push, name, payload));
    case "pull_request":
      return pullRequest(action, payload);
    case "merge_group": {
      if (action !== "checks_requested" && action !== "destroyed") break;
      const { merge_group: group } = parse(MergeGroup, name, payload);
      return {
        kind: "merge_group",
        action,
        head: group.head_sha,
        headRef: group.head_ref.replace(/^refs\/heads\//u, ""),
        base: group.base_sha,
      };
    }
    case "check_run": {
      if (action !== "rerequested" && action !== "requested_action") break;
      const { check_run: check, requested_action: requested } = parse(CheckRun, name, payload);
      const about = {
        kind: name,
        externalId: check.external_id ?? "",
        head: check.head_sha,
      } as const;
      return action === "rerequested"
        ? { ...about, action }
        : { ...about, action, id: check.id, identifier: requested?.identifier ?? "" };
    }
    case "check_suite":
      if (action !== "rerequested") break;
      return { kind: name, action, head: parse(CheckSuite, name, payload).check_suite.head_sha };
    case "issue_comment": {
      // Edited comments are passed over: an edit is not noticed by whoever approves.
      if (action !== "created") break;
      const { comment, issue } = parse(IssueComment, name, payload);
      if (issue.pull_request === undefined || !isPerson(comment.user, payload)) break;
      return {
        kind: "comment",
        pull: issue.number,
        id: comment.id,
        at: moment(comment.created_at),
        body: comment.body ?? "",
      };
    }
    case "repository":
      return {
        kind: name,
        action: action === "transferred" || action === "deleted" ? action : "changed",
      };
    case "installation":
    case "installation_repositories":
      return installation(name, action, payload);
    default:
      break;
  }
  return { kind: "other", event: name, action };
}

function moment(text: string): number {
  const at = timeOf(text);
  if (at === null) throw new Error(`${JSON.stringify(text.slice(0, 64))} is no time`);
  return at;
}

/** Bots say nothing to us, ourselves included; and whoever is said to have sent it has written it. */
function isPerson(
  user: { id: number; type: string } | null | undefined,
  payload: unknown,
): boolean {
  const { sender } = parse(Common, "issue_comment", payload);
  return user?.type === "User" && sender?.type === "User" && sender.id === user.id;
}

function push(payload: z.infer<typeof Push>): What {
  const { pushed_at: at } = payload.repository;
  return {
    kind: "push",
    ref: payload.ref,
    before: nullIfZero(payload.before),
    sha: payload.deleted ? null : nullIfZero(payload.after),
    pushedAt: typeof at === "number" ? at : null,
  };
}

function pullRequest(action: string | null, payload: unknown): What {
  const { pull_request: pull, before, changes } = parse(PullRequest, "pull_request", payload);
  return {
    kind: "pull_request",
    action: pullAction(action, changes?.base !== undefined),
    before: before ?? null,
    pull: {
      number: pull.number,
      state: pull.state,
      merged: pull.merged ?? false,
      draft: pull.draft ?? false,
      head: pull.head.sha,
      headRef: pull.head.ref,
      base: pull.base.sha,
      baseRef: pull.base.ref,
      // Not knowing where the head is (its repository is gone) is the same as a fork.
      fork: pull.head.repo?.id === undefined || pull.head.repo.id !== pull.base.repo?.id,
      author: pull.user?.login ?? "ghost",
      updatedAt: pull.updated_at,
      closedAt: pull.closed_at ?? null,
    } satisfies EventPull,
  };
}

function pullAction(action: string | null, baseChanged: boolean): PullAction {
  switch (action) {
    case "opened":
    case "synchronize":
    case "reopened":
    case "closed":
      return action;
    case "edited":
      return baseChanged ? "retargeted" : "changed";
    default:
      return "changed";
  }
}

function installation(name: string, action: string | null, payload: unknown): What {
  const read = parse(Installation, name, payload);
  const added = [...(read.repositories ?? []), ...(read.repositories_added ?? [])].map(installed);
  const removed = (read.repositories_removed ?? []).map(({ id }) => id);
  if (name === "installation_repositories")
    return { kind: "installation", action: "repositories", added, removed };
  switch (action) {
    case "created":
    case "deleted":
      return { kind: "installation", action, added, removed };
    case "suspend":
      return { kind: "installation", action: "suspended", added: [], removed: [] };
    case "unsuspend":
      return { kind: "installation", action: "unsuspended", added: [], removed: [] };
    default:
      return { kind: "other", event: name, action };
  }
}

function installed(repository: Installed): InstalledRepository {
  const owner = repository.full_name.slice(0, Math.max(0, repository.full_name.indexOf("/")));
  return { id: repository.id, owner, name: repository.name, private: repository.private };
}

function repositoryOf(repository: NonNullable<Common["repository"]>): EventRepository {
  return {
    id: repository.id,
    owner: {
      id: repository.owner.id,
      login: repository.owner.login ?? repository.owner.name ?? "",
    },
    name: repository.name,
    private: repository.private,
    defaultBranch: repository.default_branch ?? "",
    cloneUrl: repository.clone_url,
    updatedAt: repository.updated_at ?? null,
  };
}

function nullIfZero(sha: string): string | null {
  return /^0+$/u.test(sha) ? null : sha;
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  name: string,
  payload: unknown,
): z.infer<Schema> {
  const read = schema.safeParse(payload);
  if (read.success) return read.data;
  throw new Error(`payload of ${name} cannot be read: ${z.prettifyError(read.error)}`, {
    cause: read.error,
  });
}
