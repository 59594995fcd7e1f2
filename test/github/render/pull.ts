import { readDiff, readLog } from "../commits.ts";
import type { PullRequest, Repository } from "../state.ts";
import type { World } from "../world.ts";
import { nodeId, renderUser } from "./account.ts";
import { association, renderLabel } from "./issue.ts";
import { apiUrl, htmlUrl, renderRepository } from "./repository.ts";

export function renderPullSimple(world: World, repo: Repository, issue: PullRequest) {
  const { pull } = issue;
  const api = apiUrl(world, repo);
  const url = `${api}/pulls/${issue.number}`;
  const html = `${htmlUrl(world, repo)}/pull/${issue.number}`;
  const comments = `${api}/issues/${issue.number}/comments`;
  const statuses = `${api}/statuses/${pull.head.sha}`;
  const headRepo = world.repositories.get(pull.head.repoId);
  const headOwner = world.account(pull.head.ownerId);
  const baseOwner = world.account(repo.ownerId);
  return {
    url,
    id: issue.id,
    node_id: nodeId("PullRequest", issue.id),
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: `${api}/issues/${issue.number}`,
    commits_url: `${url}/commits`,
    review_comments_url: `${url}/comments`,
    review_comment_url: `${api}/pulls/comments{/number}`,
    comments_url: comments,
    statuses_url: statuses,
    number: issue.number,
    state: issue.state,
    locked: false,
    title: issue.title,
    user: renderUser(world, world.account(issue.userId)),
    body: issue.body,
    labels: issue.labels.map((label) => renderLabel(world, repo, label)),
    milestone: null,
    active_lock_reason: null,
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    closed_at: issue.closedAt,
    merged_at: pull.mergedAt,
    merge_commit_sha: pull.mergeCommitSha,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    head: {
      label: `${headOwner.login}:${pull.head.ref}`,
      ref: pull.head.ref,
      sha: pull.head.sha,
      user: renderUser(world, headOwner),
      // A fork that was deleted leaves its pull requests behind.
      repo: headRepo ? renderRepository(world, headRepo) : null,
    },
    base: {
      label: `${baseOwner.login}:${pull.base.ref}`,
      ref: pull.base.ref,
      sha: pull.base.sha,
      user: renderUser(world, baseOwner),
      repo: renderRepository(world, repo),
    },
    _links: {
      self: { href: url },
      html: { href: html },
      issue: { href: `${api}/issues/${issue.number}` },
      comments: { href: comments },
      review_comments: { href: `${url}/comments` },
      review_comment: { href: `${api}/pulls/comments{/number}` },
      commits: { href: `${url}/commits` },
      statuses: { href: statuses },
    },
    author_association: association(repo, issue.userId),
    auto_merge: null,
    draft: pull.draft,
  };
}

/** The whole pull request; sizes are read from git. */
export async function renderPull(world: World, repo: Repository, issue: PullRequest) {
  const { pull } = issue;
  const commits = await pullCommits(repo, issue);
  const files = await pullFiles(repo, issue);
  const known = pull.mergeability.state === "known" ? pull.mergeability : null;
  const mergeable = issue.state === "closed" ? null : known ? known.mergeSha !== null : null;
  return {
    ...renderPullSimple(world, repo, issue),
    merged: pull.mergedAt !== null,
    mergeable,
    rebaseable: mergeable,
    mergeable_state: mergeable === null ? "unknown" : mergeable ? "clean" : "dirty",
    merged_by: pull.mergedById === null ? null : renderUser(world, world.account(pull.mergedById)),
    comments: [...world.comments.values()].filter(
      (one) => one.repoId === repo.id && one.issueNumber === issue.number,
    ).length,
    review_comments: 0,
    maintainer_can_modify: pull.maintainerCanModify,
    commits: commits.length,
    additions: files.reduce((sum, file) => sum + file.additions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
    changed_files: files.length,
  };
}

/** Oldest first, as GitHub lists them. */
export function pullCommits(repo: Repository, issue: PullRequest) {
  const range = ["--reverse", issue.pull.head.sha, `^${issue.pull.base.sha}`];
  return repo.git.fact(`log ${range.join(" ")}`, () => readLog(repo.git, range));
}

/** What the head changed since it left the base ("three dots"). */
export async function pullFiles(repo: Repository, issue: PullRequest) {
  const ends = [issue.pull.base.sha, issue.pull.head.sha];
  const found = await repo.git.fact(`merge-base ${ends.join(" ")}`, () =>
    repo.git.try(["merge-base", ...ends]),
  );
  const from = found.code === 0 ? found.stdout.toString().trim() : issue.pull.base.sha;
  return readDiff(repo.git, from, issue.pull.head.sha);
}

/** The short form inside checks. */
export function renderPullMinimal(world: World, repo: Repository, issue: PullRequest) {
  const stub = { id: repo.id, url: apiUrl(world, repo), name: repo.name };
  return {
    id: issue.id,
    number: issue.number,
    url: `${apiUrl(world, repo)}/pulls/${issue.number}`,
    head: { ref: issue.pull.head.ref, sha: issue.pull.head.sha, repo: stub },
    base: { ref: issue.pull.base.ref, sha: issue.pull.base.sha, repo: stub },
  };
}
