import type { Comment, Issue, Reaction, Repository } from "../state.ts";
import { reactionContents } from "../state.ts";
import type { World } from "../world.ts";
import { nodeId, renderApp, renderUser } from "./account.ts";
import { apiUrl, htmlUrl } from "./repository.ts";

/** GitHub's own guess about a person, unreliable there too: only owners and collaborators with a role are told apart. */
export function association(repo: Repository, userId: number): string {
  if (repo.ownerId === userId) return "OWNER";
  return repo.roles.has(userId) ? "COLLABORATOR" : "NONE";
}

export function renderLabel(world: World, repo: Repository, label: { id: number; name: string }) {
  return {
    id: label.id,
    node_id: nodeId("Label", label.id),
    url: `${apiUrl(world, repo)}/labels/${encodeURIComponent(label.name)}`,
    name: label.name,
    description: null,
    color: "ededed",
    default: false,
  };
}

export function issueHtmlUrl(world: World, repo: Repository, issue: Issue): string {
  return `${htmlUrl(world, repo)}/${issue.pull ? "pull" : "issues"}/${issue.number}`;
}

export function renderIssue(world: World, repo: Repository, issue: Issue) {
  const api = apiUrl(world, repo);
  const url = `${api}/issues/${issue.number}`;
  const html = issueHtmlUrl(world, repo, issue);
  const { pull } = issue;
  return {
    id: issue.id,
    node_id: nodeId(pull ? "PullRequest" : "Issue", issue.id),
    url,
    repository_url: api,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    timeline_url: `${url}/timeline`,
    html_url: html,
    number: issue.number,
    state: issue.state,
    state_reason: null,
    title: issue.title,
    body: issue.body,
    user: renderUser(world, world.account(issue.userId)),
    labels: issue.labels.map((label) => renderLabel(world, repo, label)),
    assignee: null,
    assignees: [],
    milestone: null,
    locked: false,
    active_lock_reason: null,
    comments: [...world.comments.values()].filter(
      (one) => one.repoId === repo.id && one.issueNumber === issue.number,
    ).length,
    closed_at: issue.closedAt,
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    author_association: association(repo, issue.userId),
    reactions: renderRollup(
      `${url}/reactions`,
      [...world.reactions.values()].filter((one) => one.subjectId === issue.id),
    ),
    performed_via_github_app:
      issue.appId === null ? null : renderApp(world, world.app(issue.appId)),
    ...(pull
      ? {
          draft: pull.draft,
          pull_request: {
            url: `${api}/pulls/${issue.number}`,
            html_url: html,
            diff_url: `${html}.diff`,
            patch_url: `${html}.patch`,
            merged_at: pull.mergedAt,
          },
        }
      : {}),
  };
}

function renderRollup(url: string, reactions: Reaction[]) {
  const counts = Object.fromEntries(
    reactionContents.map((content) => [
      content,
      reactions.filter((one) => one.content === content).length,
    ]),
  );
  return { url, total_count: reactions.length, ...counts };
}

export function renderComment(world: World, repo: Repository, comment: Comment) {
  const issue = world.issue(repo, comment.issueNumber);
  const url = `${apiUrl(world, repo)}/issues/comments/${comment.id}`;
  const reactions = [...world.reactions.values()].filter((one) => one.subjectId === comment.id);
  return {
    id: comment.id,
    node_id: nodeId("IssueComment", comment.id),
    url,
    html_url: `${issueHtmlUrl(world, repo, issue)}#issuecomment-${comment.id}`,
    issue_url: `${apiUrl(world, repo)}/issues/${comment.issueNumber}`,
    user: renderUser(world, world.account(comment.userId)),
    body: comment.body,
    created_at: comment.createdAt,
    updated_at: comment.updatedAt,
    author_association: association(repo, comment.userId),
    reactions: renderRollup(`${url}/reactions`, reactions),
    performed_via_github_app:
      comment.appId === null ? null : renderApp(world, world.app(comment.appId)),
  };
}

export function renderReaction(world: World, reaction: Reaction) {
  return {
    id: reaction.id,
    node_id: nodeId("Reaction", reaction.id),
    user: renderUser(world, world.account(reaction.userId)),
    content: reaction.content,
    created_at: reaction.createdAt,
  };
}
