import { Refused } from "./answer.ts";
import { authorOf } from "./auth.ts";
import type { Actor } from "./auth.ts";
import { readCommit } from "./commits.ts";
import { pullMutations, pullNode } from "./graphql-pulls.ts";
import { zeroSha } from "./git.ts";
import type { RefUpdate } from "./git.ts";
import { guardFault } from "./merging.ts";
import { grants, reaches, sees } from "./permissions.ts";
import { mayPush, refsMoved } from "./pushes.ts";
import { emailOf, nodeId } from "./render/account.ts";
import { apiUrl, htmlUrl } from "./render/repository.ts";
import type { Account, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** The few root fields the double has: reading refs, and the two mutations that have a compare-and-swap. */

const refused = (type: string, message: string): Refused => new Refused(200, message, { type });

interface CommitInput {
  branch: {
    id?: string | null;
    repositoryNameWithOwner?: string | null;
    branchName?: string | null;
  };
  expectedHeadOid: string;
  message: { headline: string; body?: string | null };
  fileChanges?: {
    additions?: { path: string; contents: string }[] | null;
    deletions?: { path: string }[] | null;
  } | null;
  clientMutationId?: string | null;
}

interface RefsInput {
  repositoryId: string;
  refUpdates: {
    name: string;
    afterOid: string;
    beforeOid?: string | null;
    force?: boolean | null;
  }[];
  clientMutationId?: string | null;
}

export function graphqlRoot(world: World, actor: Actor) {
  return {
    viewer: () => ({
      __typename: "User",
      login: authorOf(world, actor).login,
      databaseId: authorOf(world, actor).id,
      id: nodeId("User", authorOf(world, actor).id),
    }),
    repository: ({ owner, name }: { owner: string; name: string }) => {
      const repo = world.findRepository(owner, name);
      if (!repo || !sees(world, actor, repo))
        throw refused(
          "NOT_FOUND",
          `Could not resolve to a Repository with the name '${owner}/${name}'.`,
        );
      return repositoryNode(world, repo);
    },
    ...pullMutations(world, actor),
    createCommitOnBranch: ({ input }: { input: CommitInput }) => createCommit(world, actor, input),
    updateRefs: ({ input }: { input: RefsInput }) => updateRefs(world, actor, input),
  };
}

const commitNode = (world: World, repo: Repository, sha: string) => ({
  __typename: "Commit",
  id: nodeId("Commit", sha),
  oid: sha,
  abbreviatedOid: sha.slice(0, 7),
  url: `${htmlUrl(world, repo)}/commit/${sha}`,
  commitUrl: `${htmlUrl(world, repo)}/commit/${sha}`,
  tree: async () => {
    const commit = await readCommit(repo.git, sha);
    return commit && { __typename: "Tree", oid: commit.tree };
  },
});

const refNode = (world: World, repo: Repository, ref: string, sha: string) => ({
  __typename: "Ref",
  id: nodeId("Ref", `${repo.id}:${ref}`),
  name: ref.split("/").slice(2).join("/"),
  prefix: `${ref.split("/").slice(0, 2).join("/")}/`,
  target: commitNode(world, repo, sha),
});

function repositoryNode(world: World, repo: Repository) {
  const ref = async (name: string) => {
    const sha = (await repo.git.refs(name)).get(name);
    return sha === undefined ? null : refNode(world, repo, name, sha);
  };
  return {
    __typename: "Repository",
    id: nodeId("Repository", repo.id),
    databaseId: repo.id,
    name: repo.name,
    nameWithOwner: world.fullName(repo),
    url: apiUrl(world, repo),
    isPrivate: repo.private,
    isFork: repo.parentId !== null,
    defaultBranchRef: () => ref(`refs/heads/${repo.defaultBranch}`),
    pullRequest: ({ number }: { number: number }) => {
      const issue = world.pullsOf(repo).find((one) => one.number === number);
      if (!issue)
        throw refused(
          "NOT_FOUND",
          `Could not resolve to a PullRequest with the number of ${number}.`,
        );
      return pullNode(world, repo, issue);
    },
    ref: ({ qualifiedName }: { qualifiedName: string }) =>
      ref(qualifiedName.startsWith("refs/") ? qualifiedName : `refs/heads/${qualifiedName}`),
  };
}

function writer(
  world: World,
  actor: Actor,
  repo: Repository | undefined,
): { repo: Repository; account: Account } {
  if (!repo || !sees(world, actor, repo))
    throw refused("NOT_FOUND", "Could not resolve to a node.");
  const allowed =
    actor.kind === "installation"
      ? reaches(world, actor, repo) && grants(actor, "contents", "write")
      : actor.kind === "user" && mayPush(world, actor.account, repo);
  if (!allowed)
    throw refused(
      "FORBIDDEN",
      actor.kind === "installation"
        ? "Resource not accessible by integration"
        : "must have push access",
    );
  return { repo, account: authorOf(world, actor) };
}

async function moveAll(
  world: World,
  repo: Repository,
  updates: RefUpdate[],
  account: Account,
): Promise<void> {
  const lines = updates
    .map(({ ref, before, after }) => `update ${ref} ${after} ${before}\n`)
    .join("");
  const done = await repo.git.try(["update-ref", "--stdin"], {
    input: `start\n${lines}prepare\ncommit\n`,
  });
  if (done.code !== 0) throw refused("UNPROCESSABLE", "Reference could not be updated");
  await refsMoved(world, repo, updates, account);
}

async function guard(
  world: World,
  repo: Repository,
  ref: string,
  sha: string,
  by: Account,
): Promise<void> {
  const fault = await guardFault(world, repo, ref.slice("refs/heads/".length), sha, by);
  if (fault) throw refused("UNPROCESSABLE", fault);
}

/** Commits files onto a branch if its head is still `expectedHeadOid`. It cannot write modes or submodules. */
function createCommit(world: World, actor: Actor, input: CommitInput) {
  const { repositoryNameWithOwner: full, branchName: branch } = input.branch;
  if (!full || !branch)
    throw refused(
      "UNPROCESSABLE",
      "The double takes branch.repositoryNameWithOwner and branch.branchName",
    );
  const [owner = "", name = ""] = full.split("/");
  const { repo, account } = writer(world, actor, world.findRepository(owner, name));
  return repo.git.exclusively(async () => {
    const ref = `refs/heads/${branch.replace(/^refs\/heads\//, "")}`;
    const before = (await repo.git.refs(ref)).get(ref);
    if (before === undefined) throw refused("NOT_FOUND", `No branch named "${branch}" in ${full}`);
    if (before !== input.expectedHeadOid) {
      throw refused(
        "STALE_DATA",
        `Expected branch to point to "${input.expectedHeadOid}" but it points to "${before}". Pull and try again.`,
      );
    }
    const tree = await repo.git.withIndex(async (env) => {
      await repo.git.git(["read-tree", before], { env });
      const modes = new Map(
        (await repo.git.git(["ls-files", "-s", "-z"], { env }))
          .toString()
          .split("\0")
          .filter(Boolean)
          .map((line) => [line.slice(line.indexOf("\t") + 1), line.slice(0, 6)]),
      );
      let changes = "";
      for (const { path } of input.fileChanges?.deletions ?? []) {
        if (!modes.has(path))
          throw refused(
            "UNPROCESSABLE",
            `A path was requested for deletion which does not exist: ${path}`,
          );
        changes += `0 ${zeroSha}\t${path}\0`;
      }
      for (const { path, contents } of input.fileChanges?.additions ?? []) {
        const blob = (
          await repo.git.git(["hash-object", "-w", "--stdin"], {
            input: Buffer.from(contents, "base64"),
          })
        )
          .toString()
          .trim();
        changes += `${modes.get(path) === "100755" ? "100755" : "100644"} ${blob}\t${path}\0`;
      }
      const done = await repo.git.try(["update-index", "-z", "--add", "--index-info"], {
        env,
        input: changes,
      });
      if (done.code !== 0) throw refused("UNPROCESSABLE", "A path is malformed");
      return (await repo.git.git(["write-tree"], { env })).toString().trim();
    });
    const message = input.message.body
      ? `${input.message.headline}\n\n${input.message.body}\n`
      : `${input.message.headline}\n`;
    const after = await repo.git.commitTree(
      tree,
      [before],
      message,
      { name: account.login, email: emailOf(account) },
      world.stamp(),
    );
    await guard(world, repo, ref, after, account);
    await moveAll(world, repo, [{ ref, before, after }], account);
    return {
      clientMutationId: input.clientMutationId ?? null,
      commit: commitNode(world, repo, after),
      ref: refNode(world, repo, ref, after),
    };
  });
}

/** Moves several refs or none; `beforeOid` is the compare-and-swap. */
function updateRefs(world: World, actor: Actor, input: RefsInput) {
  const found = [...world.repositories.values()].find(
    (one) => nodeId("Repository", one.id) === input.repositoryId,
  );
  const { repo, account } = writer(world, actor, found);
  return repo.git.exclusively(async () => {
    const refs = await repo.git.refs();
    const updates: RefUpdate[] = [];
    for (const { name: ref, afterOid: after, beforeOid, force } of input.refUpdates) {
      if (!/^refs\/(heads|tags)\/./.test(ref))
        throw refused("UNPROCESSABLE", `${ref} is not a fully qualified ref name`);
      const before = refs.get(ref) ?? zeroSha;
      if (beforeOid && beforeOid !== before)
        throw refused(
          "UNPROCESSABLE",
          `Reference update for ${ref} was rejected: expected ${beforeOid}, is ${before}`,
        );
      if (after !== zeroSha && (await repo.git.objectType(after)) === undefined)
        throw refused("UNPROCESSABLE", `${after} does not exist`);
      const forward =
        before === zeroSha || after === zeroSha || (await repo.git.isAncestor(before, after));
      if (!force && !forward) throw refused("UNPROCESSABLE", `${ref} is not a fast-forward`);
      await guard(world, repo, ref, after, account);
      updates.push({ ref, before, after });
    }
    await moveAll(world, repo, updates, account);
    return { clientMutationId: input.clientMutationId ?? null };
  });
}
