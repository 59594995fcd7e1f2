import { Refused } from "./answer.ts";
import { authorOf } from "./auth.ts";
import type { Actor } from "./auth.ts";
import { enqueueUntilChecked } from "./merge-queue.ts";
import { atLeast, grants, reaches, sees } from "./permissions.ts";
import { emitPull } from "./pushes.ts";
import { nodeId } from "./render/account.ts";
import { issueHtmlUrl } from "./render/issue.ts";
import type { PullRequest, Repository, Role } from "./state.ts";
import { isPull } from "./world.ts";
import type { WaitingGroup, World } from "./world.ts";

/** What people do to pull requests that REST does not have: drafts and the merge queue. */

const refused = (type: string, message: string): Refused => new Refused(200, message, { type });

const mergeable = ({ pull }: PullRequest): string =>
  pull.mergeability.state === "unknown"
    ? "UNKNOWN"
    : pull.mergeability.mergeSha === null
      ? "CONFLICTING"
      : "MERGEABLE";

export const pullNode = (world: World, repo: Repository, issue: PullRequest) => ({
  __typename: "PullRequest",
  id: nodeId("PullRequest", issue.id),
  databaseId: issue.id,
  number: issue.number,
  title: issue.title,
  body: issue.body ?? "",
  url: issueHtmlUrl(world, repo, issue),
  state: issue.pull.mergedAt ? "MERGED" : issue.state.toUpperCase(),
  closed: issue.state === "closed",
  merged: issue.pull.mergedAt !== null,
  isDraft: issue.pull.draft,
  isCrossRepository: issue.pull.head.repoId !== repo.id,
  mergeable: mergeable(issue),
  headRefName: issue.pull.head.ref,
  headRefOid: issue.pull.head.sha,
  baseRefName: issue.pull.base.ref,
  baseRefOid: issue.pull.base.sha,
  isInMergeQueue: waiting(world, issue) !== undefined,
  author: { __typename: "User", login: world.account(issue.userId).login },
});

const waiting = (world: World, issue: PullRequest): WaitingGroup | undefined =>
  [...world.mergeGroups.values()].find((one) => one.pullId === issue.id);

/** The pull request of a node id, for whom has the role (an App: the permission). */
function open(
  world: World,
  actor: Actor,
  id: string,
  role: Role,
): { repo: Repository; issue: PullRequest } {
  const issue = [...world.issues.values()]
    .filter(isPull)
    .find((one) => nodeId("PullRequest", one.id) === id);
  const repo = issue && world.repository(issue.repoId);
  if (!issue || !repo || !sees(world, actor, repo))
    throw refused("NOT_FOUND", `Could not resolve to a node with the global id of '${id}'`);
  const allowed =
    actor.kind === "installation"
      ? reaches(world, actor, repo) && grants(actor, "pull_requests", "write")
      : actor.kind === "user" &&
        (atLeast(world.roleOf(actor.account, repo), role) ||
          (role === "triage" && issue.userId === actor.account.id));
  if (!allowed)
    throw refused("FORBIDDEN", "You do not have permission to change this pull request.");
  if (issue.state !== "open") throw refused("UNPROCESSABLE", "The pull request is closed.");
  return { repo, issue };
}

interface Input {
  clientMutationId?: string | null;
}

async function setDraft(
  world: World,
  actor: Actor,
  input: Input & { pullRequestId: string },
  draft: boolean,
) {
  const { repo, issue } = open(world, actor, input.pullRequestId, "triage");
  if (issue.pull.draft !== draft) {
    issue.pull.draft = draft;
    issue.updatedAt = world.stamp();
    const action = draft ? "converted_to_draft" : "ready_for_review";
    await emitPull(world, issue.id, action, {}, authorOf(world, actor));
  }
  return {
    clientMutationId: input.clientMutationId ?? null,
    pullRequest: pullNode(world, repo, issue),
  };
}

const entryOf = (world: World, repo: Repository, issue: PullRequest, state: string) => ({
  __typename: "MergeQueueEntry",
  id: nodeId("MergeQueueEntry", issue.id),
  position: 1,
  jump: false,
  solo: true,
  state,
  pullRequest: pullNode(world, repo, issue),
});

async function enqueue(
  world: World,
  actor: Actor,
  input: Input & { pullRequestId: string; expectedHeadOid?: string | null },
) {
  const { repo, issue } = open(world, actor, input.pullRequestId, "write");
  const { head, base, draft } = issue.pull;
  if ((repo.protections.get(base.ref)?.checks ?? []).length === 0)
    throw refused("UNPROCESSABLE", `${base.ref} has no merge queue: no check is required there.`);
  if (input.expectedHeadOid && input.expectedHeadOid !== head.sha)
    throw refused("UNPROCESSABLE", "Head branch was modified. Review and try the merge again.");
  if (draft) throw refused("UNPROCESSABLE", "The pull request is a draft.");
  if (waiting(world, issue))
    throw refused("UNPROCESSABLE", "The pull request is already in the queue.");
  const by = authorOf(world, actor);
  try {
    await repo.git.exclusively(() => enqueueUntilChecked(world, repo, issue, by));
  } catch (error) {
    if (error instanceof Refused) throw refused("UNPROCESSABLE", error.message);
    throw error;
  }
  return {
    clientMutationId: input.clientMutationId ?? null,
    mergeQueueEntry: entryOf(world, repo, issue, "AWAITING_CHECKS"),
  };
}

/** Takes the pull request's id. */
async function dequeue(world: World, actor: Actor, input: Input & { id: string }) {
  const { repo, issue } = open(world, actor, input.id, "write");
  const group = waiting(world, issue);
  if (!group) throw refused("UNPROCESSABLE", "The pull request is not in the queue.");
  await repo.git.exclusively(() => group.remove());
  return {
    clientMutationId: input.clientMutationId ?? null,
    mergeQueueEntry: entryOf(world, repo, issue, "UNMERGEABLE"),
  };
}

export function pullMutations(world: World, actor: Actor) {
  return {
    markPullRequestReadyForReview: ({ input }: { input: Input & { pullRequestId: string } }) =>
      setDraft(world, actor, input, false),
    convertPullRequestToDraft: ({ input }: { input: Input & { pullRequestId: string } }) =>
      setDraft(world, actor, input, true),
    enqueuePullRequest: ({ input }: { input: Parameters<typeof enqueue>[2] }) =>
      enqueue(world, actor, input),
    dequeuePullRequest: ({ input }: { input: Parameters<typeof dequeue>[2] }) =>
      dequeue(world, actor, input),
  };
}
