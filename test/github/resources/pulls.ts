import { Refused, created, invalid, noContent, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { zeroSha } from "../git.ts";
import { computeMergeability, guardFault, mergedCommit } from "../merging.ts";
import type { MergeMethod } from "../merging.ts";
import { atLeast } from "../permissions.ts";
import { emitPull, fetchHead, refsMoved } from "../pushes.ts";
import { emailOf } from "../render/account.ts";
import { renderCommit, renderFile } from "../render/commit.ts";
import { pullCommits, pullFiles, renderPull, renderPullSimple } from "../render/pull.ts";
import type { Account, Issue, PullRequest, Repository } from "../state.ts";
import type { World } from "../world.ts";

const pullOf = (call: Call): PullRequest =>
  call.world.pull(call.repo, numeric(call, "pull_number"));

export interface PullInput {
  title: string;
  body?: string | null;
  head: string;
  base: string;
  draft?: boolean;
}

/** Opens a pull request from "branch" or "owner:branch"; emits `pull_request.opened`. */
export async function openPull(
  world: World,
  repo: Repository,
  input: PullInput,
  author: Account,
): Promise<PullRequest> {
  const [, owner, rest] = /^([^:]+):(.+)$/.exec(input.head) ?? [];
  const headRepo = owner === undefined ? repo : networkMember(world, repo, owner);
  const ref = rest ?? input.head;
  const head = await headRepo?.git.commitOf(`refs/heads/${ref}`);
  const base = await repo.git.commitOf(`refs/heads/${input.base}`);
  if (!headRepo || head === undefined) throw invalid(`head ${input.head} does not exist`);
  if (base === undefined) throw invalid(`base ${input.base} does not exist`);
  const same = world
    .pullsOf(repo)
    .find(
      (one) =>
        one.state === "open" &&
        one.pull.head.repoId === headRepo.id &&
        one.pull.head.ref === ref &&
        one.pull.base.ref === input.base,
    );
  if (same)
    throw invalid(
      `A pull request already exists for ${world.account(headRepo.ownerId).login}:${ref}.`,
    );
  const number = repo.nextNumber++;
  await fetchHead(repo, number, headRepo, head);
  if (await repo.git.isAncestor(head, base))
    throw invalid(`No commits between ${input.base} and ${ref}`);
  const issue: PullRequest = {
    id: world.nextId(),
    number,
    repoId: repo.id,
    userId: author.id,
    appId: null,
    title: input.title,
    body: input.body ?? null,
    state: "open",
    labels: [],
    createdAt: world.stamp(),
    updatedAt: world.stamp(),
    closedAt: null,
    pull: {
      head: { repoId: headRepo.id, ownerId: headRepo.ownerId, ref, sha: head },
      base: { ref: input.base, sha: base },
      draft: input.draft === true,
      mergeability: { state: "unknown", asked: 0 },
      mergedAt: null,
      mergedById: null,
      mergeCommitSha: null,
      maintainerCanModify: headRepo.id !== repo.id,
    },
  };
  world.issues.set(issue.id, issue);
  await emitPull(world, issue.id, "opened", {}, author);
  return issue;
}

function networkMember(world: World, repo: Repository, owner: string): Repository | undefined {
  return [...world.repositories.values()].find(
    (one) =>
      world.account(one.ownerId).login.toLowerCase() === owner.toLowerCase() &&
      (one.id === repo.id || one.parentId === repo.id || one.id === repo.parentId),
  );
}

interface MergeBody {
  sha?: string;
  merge_method?: MergeMethod;
  commit_title?: string;
  commit_message?: string;
}

async function merge(call: Call): Promise<string> {
  const { world, repo } = call;
  const issue = pullOf(call);
  const body = (call.body ?? {}) as MergeBody;
  if (issue.state !== "open" || issue.pull.draft)
    throw new Refused(405, "Pull Request is not mergeable");
  if (body.sha !== undefined && body.sha !== issue.pull.head.sha)
    throw new Refused(409, "Head branch was modified. Review and try the merge again.");
  const method = body.merge_method ?? "merge";
  if (!repo.mergeMethods[method])
    throw new Refused(405, `${methodNames[method]} are not allowed on this repository.`);
  const account = authorOf(world, call.actor);
  const { ref: base } = issue.pull.base;
  if (method === "merge" && repo.protections.get(base)?.linear)
    throw new Refused(405, "This branch must not contain merge commits.");
  const blocked = await guardFault(world, repo, base, issue.pull.head.sha, account);
  if (blocked) throw new Refused(405, blocked);
  if ((await computeMergeability(world, repo, issue)) === null)
    throw new Refused(405, "Pull Request is not mergeable");
  const ref = `refs/heads/${issue.pull.base.ref}`;
  const before = await repo.git.commitOf(ref);
  if (before === undefined) throw new Refused(405, "Base branch was deleted");
  const after = await mergedCommit(repo, issue, {
    method,
    title: body.commit_title,
    message: body.commit_message,
    author: { name: account.login, email: emailOf(account) },
    date: world.stamp(),
    base: before,
  });
  await landed(world, repo, issue, { ref, before, after }, account);
  if (repo.deleteBranchOnMerge) await deleteHead(call, issue, account);
  return after;
}

const methodNames = {
  merge: "Merge commits",
  squash: "Squash merges",
  rebase: "Rebase merges",
} as const;

/** As the repository's setting asks; a fork's branch and a protected one stay. */
async function deleteHead(call: Call, issue: PullRequest, by: Account): Promise<void> {
  const { world, repo } = call;
  const { head } = issue.pull;
  if (head.repoId !== repo.id || repo.protections.has(head.ref)) return;
  const gone = { ref: `refs/heads/${head.ref}`, before: head.sha, after: zeroSha };
  if (await repo.git.moveRef(gone)) await refsMoved(world, repo, [gone], by);
}

/** The base has `after`: closes the pull request as merged and tells. */
export async function landed(
  world: World,
  repo: Repository,
  issue: PullRequest,
  update: { ref: string; before: string; after: string },
  account: Account,
): Promise<void> {
  if (!(await repo.git.moveRef(update)))
    throw new Refused(409, "Base branch was modified. Review and try the merge again.");
  issue.state = "closed";
  issue.closedAt = issue.updatedAt = issue.pull.mergedAt = world.stamp();
  issue.pull.mergedById = account.id;
  issue.pull.mergeCommitSha = update.after;
  await refsMoved(world, repo, [update], account);
  await emitPull(world, issue.id, "closed", {}, account);
}

interface UpdateBody {
  title?: string;
  body?: string | null;
  state?: "open" | "closed";
  base?: string;
}

/** Changes it and tells; call inside the repository's turn. */
export async function updatePull(call: Call, number: number, body: UpdateBody): Promise<void> {
  const { world, repo } = call;
  const issue = world.pull(repo, number);
  const sender = authorOf(world, call.actor);
  const changes: Record<string, unknown> = {};
  if (body.base !== undefined && body.base !== issue.pull.base.ref) {
    const sha = await repo.git.commitOf(`refs/heads/${body.base}`);
    if (sha === undefined) throw invalid(`Proposed base branch '${body.base}' was not found`);
    changes["base"] = { ref: { from: issue.pull.base.ref }, sha: { from: issue.pull.base.sha } };
    issue.pull.base = { ref: body.base, sha };
    issue.pull.mergeability = { state: "unknown", asked: 0 };
  }
  if (body.title !== undefined && body.title !== issue.title) {
    changes["title"] = { from: issue.title };
    issue.title = body.title;
  }
  if (body.body !== undefined && body.body !== issue.body) {
    changes["body"] = { from: issue.body ?? "" };
    issue.body = body.body;
  }
  issue.updatedAt = world.stamp();
  if (Object.keys(changes).length > 0)
    await emitPull(world, issue.id, "edited", { changes }, sender);
  if (body.state === undefined || body.state === issue.state) return;
  if (issue.pull.mergedAt) throw invalid("state cannot be changed. The pull request is merged.");
  if (body.state === "open") await reopen(call, issue);
  issue.state = body.state;
  issue.closedAt = body.state === "closed" ? world.stamp() : null;
  await emitPull(world, issue.id, body.state === "closed" ? "closed" : "reopened", {}, sender);
}

/** What was pushed while it was closed counts now. */
async function reopen(call: Call, issue: PullRequest): Promise<void> {
  const { world, repo } = call;
  const headRepo = world.repositories.get(issue.pull.head.repoId);
  const sha = await headRepo?.git.commitOf(`refs/heads/${issue.pull.head.ref}`);
  if (!headRepo || sha === undefined)
    throw invalid(`state cannot be changed. The ${issue.pull.head.ref} branch has been deleted.`);
  await fetchHead(repo, issue.number, headRepo, sha);
  issue.pull.head.sha = sha;
  issue.pull.mergeability = { state: "unknown", asked: 0 };
}

/** People may edit what they wrote; for the rest it takes triage. */
export function mayEdit(call: Call, issue: Issue): boolean {
  if (call.actor.kind !== "user") return true;
  return (
    issue.userId === call.actor.account.id ||
    atLeast(call.world.roleOf(call.actor.account, call.repo), "triage")
  );
}

const orders: Record<string, (one: PullRequest) => string> = {
  created: (one) => one.createdAt,
  updated: (one) => one.updatedAt,
};

export const pulls: Handlers = {
  "pulls/list": (call) => {
    const { world, repo, query } = call;
    const state = query["state"] ?? "open";
    const [, owner, ref] = /^([^:]+):(.+)$/.exec(String(query["head"] ?? "")) ?? [];
    const key = orders[String(query["sort"] ?? "created")] ?? ((one: PullRequest) => one.createdAt);
    const descending = (query["direction"] ?? "desc") === "desc";
    const all = world
      .pullsOf(repo)
      .filter((one) => state === "all" || one.state === state)
      .filter((one) => query["base"] === undefined || one.pull.base.ref === query["base"])
      .filter(
        (one) =>
          ref === undefined ||
          (one.pull.head.ref === ref && world.account(one.pull.head.ownerId).login === owner),
      )
      .sort((a, b) => key(a).localeCompare(key(b)) || a.number - b.number);
    return page(call, descending ? all.reverse() : all, (one) =>
      renderPullSimple(world, repo, one),
    );
  },

  "pulls/get": async (call) => {
    const { world, repo } = call;
    const issue = pullOf(call);
    const known = issue.pull.mergeability;
    if (
      issue.state === "open" &&
      known.state === "unknown" &&
      known.asked++ >= world.mergeablePolls
    ) {
      await repo.git.exclusively(() => computeMergeability(world, repo, issue));
    }
    return ok(await renderPull(world, repo, issue));
  },

  "pulls/create": async (call) => {
    const { world, repo } = call;
    const body = call.body as {
      title?: string;
      head: string;
      base: string;
      body?: string;
      draft?: boolean;
    };
    if (body.title === undefined) throw invalid("title is missing");
    const { title } = body;
    const issue = await repo.git.exclusively(() =>
      openPull(world, repo, { ...body, title }, authorOf(world, call.actor)),
    );
    return created(await renderPull(world, repo, issue));
  },

  "pulls/update": async (call) => {
    if (!mayEdit(call, pullOf(call)))
      throw new Refused(403, "Must have the required rights to Repository.");
    const body = (call.body ?? {}) as UpdateBody;
    await call.repo.git.exclusively(() => updatePull(call, pullOf(call).number, body));
    return ok(await renderPull(call.world, call.repo, pullOf(call)));
  },

  "pulls/merge": async (call) => {
    const sha = await call.repo.git.exclusively(() => merge(call));
    return ok({ sha, merged: true, message: "Pull Request successfully merged" });
  },

  "pulls/check-if-merged": (call) => {
    if (!pullOf(call).pull.mergedAt) throw notFound();
    return noContent();
  },

  "pulls/list-files": async (call) => {
    const issue = pullOf(call);
    // GitHub lists at most 3,000 files.
    const files = (await pullFiles(call.repo, issue)).slice(0, 3_000);
    return page(call, files, (file) =>
      renderFile(call.world, call.repo, issue.pull.head.sha, file),
    );
  },

  "pulls/list-commits": async (call) => {
    // GitHub lists at most 250 commits here.
    const all = (await pullCommits(call.repo, pullOf(call))).slice(0, 250);
    return page(call, all, (one) => renderCommit(call.world, call.repo, one));
  },
};
