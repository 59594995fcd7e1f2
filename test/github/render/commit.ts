import type { Commit, FileChange, Person } from "../commits.ts";
import type { Repository } from "../state.ts";
import type { World } from "../world.ts";
import { nodeId, renderUser } from "./account.ts";
import { apiUrl, htmlUrl } from "./repository.ts";

const unsigned = {
  verified: false,
  reason: "unsigned",
  signature: null,
  payload: null,
  verified_at: null,
};

/** The account behind a commit's address, as far as the double wrote it. */
function accountOf(world: World, person: Person) {
  const id = Number(/^(\d+)\+[^@]+@users\.noreply\.github\.test$/.exec(person.email)?.[1]);
  return world.accounts.get(id);
}

export function renderCommit(world: World, repo: Repository, commit: Commit, files?: FileChange[]) {
  const api = apiUrl(world, repo);
  const shown = (person: Person) => {
    const account = accountOf(world, person);
    return account ? renderUser(world, account) : null;
  };
  const additions = (files ?? []).reduce((sum, file) => sum + file.additions, 0);
  const deletions = (files ?? []).reduce((sum, file) => sum + file.deletions, 0);
  return {
    sha: commit.sha,
    node_id: nodeId("Commit", commit.sha),
    commit: {
      author: commit.author,
      committer: commit.committer,
      message: commit.message,
      tree: { sha: commit.tree, url: `${api}/git/trees/${commit.tree}` },
      url: `${api}/git/commits/${commit.sha}`,
      comment_count: 0,
      verification: unsigned,
    },
    url: `${api}/commits/${commit.sha}`,
    html_url: `${htmlUrl(world, repo)}/commit/${commit.sha}`,
    comments_url: `${api}/commits/${commit.sha}/comments`,
    author: shown(commit.author),
    committer: shown(commit.committer),
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${api}/commits/${sha}`,
      html_url: `${htmlUrl(world, repo)}/commit/${sha}`,
    })),
    ...(files
      ? {
          stats: { total: additions + deletions, additions, deletions },
          files: files.map((file) => renderFile(world, repo, commit.sha, file)),
        }
      : {}),
  };
}

export function renderGitCommit(world: World, repo: Repository, commit: Commit) {
  const api = apiUrl(world, repo);
  return {
    sha: commit.sha,
    node_id: nodeId("Commit", commit.sha),
    url: `${api}/git/commits/${commit.sha}`,
    html_url: `${htmlUrl(world, repo)}/commit/${commit.sha}`,
    author: commit.author,
    committer: commit.committer,
    tree: { sha: commit.tree, url: `${api}/git/trees/${commit.tree}` },
    message: commit.message,
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${api}/git/commits/${sha}`,
      html_url: `${htmlUrl(world, repo)}/commit/${sha}`,
    })),
    verification: unsigned,
  };
}

/** No `patch`: the double does not render diffs. */
export function renderFile(world: World, repo: Repository, sha: string, file: FileChange) {
  const path = file.filename.split("/").map(encodeURIComponent).join("/");
  return {
    sha: file.sha,
    filename: file.filename,
    ...(file.previous === null ? {} : { previous_filename: file.previous }),
    status: file.status,
    additions: file.additions,
    deletions: file.deletions,
    changes: file.additions + file.deletions,
    blob_url: `${htmlUrl(world, repo)}/blob/${sha}/${path}`,
    raw_url: `${htmlUrl(world, repo)}/raw/${sha}/${path}`,
    contents_url: `${apiUrl(world, repo)}/contents/${path}?ref=${sha}`,
  };
}

/** The short commit of check suites and merge groups. */
export function renderSimpleCommit(commit: Commit) {
  return {
    id: commit.sha,
    tree_id: commit.tree,
    message: commit.message,
    timestamp: commit.committer.date,
    author: { name: commit.author.name, email: commit.author.email },
    committer: { name: commit.committer.name, email: commit.committer.email },
  };
}

/** The commit of push events. */
export function renderPushCommit(
  world: World,
  repo: Repository,
  commit: Commit,
  files: FileChange[],
) {
  const paths = (kind: FileChange["status"][]) =>
    files.filter((file) => kind.includes(file.status)).map((file) => file.filename);
  const simple = renderSimpleCommit(commit);
  const named = (person: Person) => {
    const account = accountOf(world, person);
    return {
      name: person.name,
      email: person.email,
      ...(account ? { username: account.login } : {}),
    };
  };
  return {
    ...simple,
    author: named(commit.author),
    committer: named(commit.committer),
    distinct: true,
    url: `${htmlUrl(world, repo)}/commit/${commit.sha}`,
    added: paths(["added", "renamed"]),
    removed: [
      ...paths(["removed"]),
      ...files.flatMap((file) => (file.previous === null ? [] : [file.previous])),
    ],
    modified: paths(["modified"]),
  };
}
