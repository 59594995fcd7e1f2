import type { World } from "../world.ts";
import type { Repository, Role } from "../state.ts";
import { emailOf, nodeId, renderUser } from "./account.ts";

export const apiUrl = (world: World, repo: Repository): string =>
  `${world.url}/repos/${world.fullName(repo)}`;
export const htmlUrl = (world: World, repo: Repository): string =>
  `${world.url}/html/${world.fullName(repo)}`;
export const cloneUrl = (world: World, repo: Repository): string =>
  `${world.url}/git/${world.fullName(repo)}.git`;

export function permissionsOf(role: Role) {
  const rank = ["none", "read", "triage", "write", "maintain", "admin"].indexOf(role);
  return {
    admin: rank >= 5,
    maintain: rank >= 4,
    push: rank >= 3,
    triage: rank >= 2,
    pull: rank >= 1,
  };
}

/** The full repository; it also satisfies the minimal and the webhooks' shapes. */
export function renderRepository(world: World, repo: Repository) {
  const open = world.issuesOf(repo).filter((issue) => issue.state === "open").length;
  return {
    ...renderUrls(world, repo),
    id: repo.id,
    node_id: nodeId("Repository", repo.id),
    name: repo.name,
    full_name: world.fullName(repo),
    private: repo.private,
    owner: renderUser(world, world.account(repo.ownerId)),
    description: repo.description,
    fork: repo.parentId !== null,
    created_at: repo.createdAt,
    updated_at: repo.pushedAt,
    pushed_at: repo.pushedAt,
    homepage: null,
    size: 0,
    stargazers_count: 0,
    watchers_count: 0,
    language: "Nix",
    has_issues: true,
    has_projects: false,
    has_downloads: true,
    has_wiki: false,
    has_pages: false,
    has_discussions: false,
    forks_count: forksOf(world, repo),
    mirror_url: null,
    archived: false,
    disabled: false,
    open_issues_count: open,
    license: null,
    allow_forking: true,
    is_template: false,
    web_commit_signoff_required: false,
    topics: [],
    custom_properties: {},
    visibility: repo.private ? "private" : "public",
    forks: forksOf(world, repo),
    open_issues: open,
    watchers: 0,
    default_branch: repo.defaultBranch,
  };
}

/** Push events keep an older form: times in seconds since the epoch, the page as `url`. */
export function renderPushRepository(world: World, repo: Repository) {
  const rendered = renderRepository(world, repo);
  const owner = world.account(repo.ownerId);
  return {
    ...rendered,
    owner: { ...rendered.owner, name: owner.login, email: emailOf(owner) },
    url: rendered.html_url,
    created_at: Math.floor(Date.parse(repo.createdAt) / 1000),
    pushed_at: Math.floor(Date.parse(repo.pushedAt) / 1000),
    stargazers: 0,
    master_branch: repo.defaultBranch,
  };
}

/** What only `GET /repos/{owner}/{repo}` adds. */
export function renderFullRepository(world: World, repo: Repository, role: Role | null) {
  const parent = repo.parentId === null ? undefined : world.repositories.get(repo.parentId);
  return {
    ...renderRepository(world, repo),
    ...(role ? { permissions: permissionsOf(role) } : {}),
    ...(parent
      ? { parent: renderRepository(world, parent), source: renderRepository(world, parent) }
      : {}),
    allow_squash_merge: repo.mergeMethods.squash,
    allow_merge_commit: repo.mergeMethods.merge,
    allow_rebase_merge: repo.mergeMethods.rebase,
    allow_auto_merge: false,
    delete_branch_on_merge: repo.deleteBranchOnMerge,
    network_count: forksOf(world, repo),
    subscribers_count: 0,
  };
}

/** The stub that `installation` events list. */
export function renderRepositoryStub(world: World, repo: Repository) {
  return {
    id: repo.id,
    node_id: nodeId("Repository", repo.id),
    name: repo.name,
    full_name: world.fullName(repo),
    private: repo.private,
  };
}

const forksOf = (world: World, repo: Repository): number =>
  [...world.repositories.values()].filter((one) => one.parentId === repo.id).length;

function renderUrls(world: World, repo: Repository) {
  const api = apiUrl(world, repo);
  const name = world.fullName(repo);
  return {
    html_url: htmlUrl(world, repo),
    url: api,
    forks_url: `${api}/forks`,
    keys_url: `${api}/keys{/key_id}`,
    collaborators_url: `${api}/collaborators{/collaborator}`,
    teams_url: `${api}/teams`,
    hooks_url: `${api}/hooks`,
    issue_events_url: `${api}/issues/events{/number}`,
    events_url: `${api}/events`,
    assignees_url: `${api}/assignees{/user}`,
    branches_url: `${api}/branches{/branch}`,
    tags_url: `${api}/tags`,
    blobs_url: `${api}/git/blobs{/sha}`,
    git_tags_url: `${api}/git/tags{/sha}`,
    git_refs_url: `${api}/git/refs{/sha}`,
    trees_url: `${api}/git/trees{/sha}`,
    statuses_url: `${api}/statuses/{sha}`,
    languages_url: `${api}/languages`,
    stargazers_url: `${api}/stargazers`,
    contributors_url: `${api}/contributors`,
    subscribers_url: `${api}/subscribers`,
    subscription_url: `${api}/subscription`,
    commits_url: `${api}/commits{/sha}`,
    git_commits_url: `${api}/git/commits{/sha}`,
    comments_url: `${api}/comments{/number}`,
    issue_comment_url: `${api}/issues/comments{/number}`,
    contents_url: `${api}/contents/{+path}`,
    compare_url: `${api}/compare/{base}...{head}`,
    merges_url: `${api}/merges`,
    archive_url: `${api}/{archive_format}{/ref}`,
    downloads_url: `${api}/downloads`,
    issues_url: `${api}/issues{/number}`,
    pulls_url: `${api}/pulls{/number}`,
    milestones_url: `${api}/milestones{/number}`,
    notifications_url: `${api}/notifications{?since,all,participating}`,
    labels_url: `${api}/labels{/name}`,
    releases_url: `${api}/releases{/id}`,
    deployments_url: `${api}/deployments`,
    git_url: cloneUrl(world, repo),
    ssh_url: `git@github.test:${name}.git`,
    clone_url: cloneUrl(world, repo),
    svn_url: htmlUrl(world, repo),
  };
}
