import { Refused, created, noContent, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { readCommit } from "../commits.ts";
import { guardFault, mergeTree } from "../merging.ts";
import { mayPush, refsMoved } from "../pushes.ts";
import { emailOf } from "../render/account.ts";
import { renderCommit } from "../render/commit.ts";
import { apiUrl } from "../render/repository.ts";
import type { Account, Repository } from "../state.ts";
import type { World } from "../world.ts";

/** Branches merged into branches: of one repository, from upstream, and the base into a pull request's head. */

type Merged =
  | { done: "none" }
  | { done: "conflict" }
  | { done: "fast-forward" | "merge"; sha: string };

/** Puts `head` on the branch. Fast-forwards only where the caller says so. */
async function mergeInto(
  world: World,
  repo: Repository,
  into: { branch: string; tip: string },
  from: { sha: string; message: string; forward: boolean },
  by: Account,
): Promise<Merged> {
  const { git } = repo;
  if (await git.isAncestor(from.sha, into.tip)) return { done: "none" };
  const forward = from.forward && (await git.isAncestor(into.tip, from.sha));
  let after = from.sha;
  if (!forward) {
    const tree = await mergeTree(repo, into.tip, from.sha);
    if (tree === null) return { done: "conflict" };
    const author = { name: by.login, email: emailOf(by) };
    after = await git.commitTree(
      tree,
      [into.tip, from.sha],
      `${from.message}\n`,
      author,
      world.stamp(),
    );
  }
  const fault = await guardFault(world, repo, into.branch, after, by);
  if (fault) throw new Refused(409, fault);
  const update = { ref: `refs/heads/${into.branch}`, before: into.tip, after };
  if (!(await git.moveRef(update))) throw new Refused(409, `${into.branch} moved meanwhile`);
  await refsMoved(world, repo, [update], by);
  return { done: forward ? "fast-forward" : "merge", sha: after };
}

const bring = (to: Repository, from: Repository, sha: string): Promise<unknown> =>
  to.id === from.id
    ? Promise.resolve()
    : to.git.git(["fetch", "-q", "--no-write-fetch-head", from.git.dir, sha]);

async function merge(call: Call) {
  const { world, repo } = call;
  const body = call.body as { base: string; head: string; commit_message?: string };
  const tip = await repo.git.commitOf(`refs/heads/${body.base}`);
  if (tip === undefined) throw new Refused(404, "Base does not exist");
  const sha = await repo.git.commitOf(body.head);
  if (sha === undefined) throw new Refused(404, "Head does not exist");
  const message = body.commit_message ?? `Merge ${body.head} into ${body.base}`;
  const merged = await mergeInto(
    world,
    repo,
    { branch: body.base, tip },
    { sha, message, forward: false },
    authorOf(world, call.actor),
  );
  if (merged.done === "none") return noContent();
  if (merged.done === "conflict") throw new Refused(409, "Merge conflict");
  const commit = await readCommit(repo.git, merged.sha);
  if (!commit) throw new Error(`the merge commit ${merged.sha} is gone`);
  return created(renderCommit(world, repo, commit));
}

async function mergeUpstream(call: Call) {
  const { world, repo } = call;
  const { branch } = call.body as { branch: string };
  const parent = repo.parentId === null ? undefined : world.repositories.get(repo.parentId);
  if (!parent) throw new Refused(422, "This repository is not a fork.");
  const tip = await repo.git.commitOf(`refs/heads/${branch}`);
  const sha = await parent.git.commitOf(`refs/heads/${branch}`);
  if (tip === undefined || sha === undefined)
    throw new Refused(422, `The branch ${branch} was not found.`);
  await bring(repo, parent, sha);
  const upstream = `${world.account(parent.ownerId).login}:${branch}`;
  const message = `Merge branch '${upstream}' into ${branch}`;
  const merged = await mergeInto(
    world,
    repo,
    { branch, tip },
    { sha, message, forward: true },
    authorOf(world, call.actor),
  );
  if (merged.done === "conflict") throw new Refused(409, "There are merge conflicts");
  const said =
    merged.done === "none"
      ? "This branch is not behind the upstream repository."
      : `Successfully fetched and ${merged.done === "merge" ? "merged" : "fast-forwarded"} from upstream ${upstream}.`;
  return ok({ message: said, merge_type: merged.done, base_branch: upstream });
}

async function updateBranch(call: Call) {
  const { world, repo } = call;
  const issue = world.pull(repo, numeric(call, "pull_number"));
  const { head, base, maintainerCanModify } = issue.pull;
  const by = authorOf(world, call.actor);
  const headRepo = world.repositories.get(head.repoId);
  if (!headRepo || issue.state !== "open")
    throw new Refused(422, "The head branch cannot be updated.");
  const maintains = maintainerCanModify && mayPush(world, by, repo);
  if (!mayPush(world, by, headRepo) && !maintains)
    throw new Refused(403, "Must have the required rights to the head repository.");
  const sha = await repo.git.commitOf(`refs/heads/${base.ref}`);
  if (sha === undefined) throw notFound();
  const merged = await headRepo.git.exclusively(async () => {
    const expected = (call.body as { expected_head_sha?: string } | null | undefined)
      ?.expected_head_sha;
    if (expected !== undefined && expected !== head.sha)
      throw new Refused(422, `expected head sha didn't match current head ref.`);
    await bring(headRepo, repo, sha);
    const message = `Merge branch '${base.ref}' into ${head.ref}`;
    return mergeInto(
      world,
      headRepo,
      { branch: head.ref, tip: head.sha },
      { sha, message, forward: false },
      by,
    );
  });
  if (merged.done === "none")
    throw new Refused(422, "There are no new commits on the base branch.");
  if (merged.done === "conflict") throw new Refused(422, "merge conflict between base and head");
  return {
    status: 202,
    body: {
      message: "Updating pull request branch.",
      url: `${apiUrl(world, repo)}/pulls/${issue.number}`,
    },
  };
}

export const merges: Handlers = {
  "repos/merge": (call) => call.repo.git.exclusively(() => merge(call)),
  "repos/merge-upstream": (call) => call.repo.git.exclusively(() => mergeUpstream(call)),
  "pulls/update-branch": updateBranch,
};
