import { created, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { readCommit } from "../commits.ts";
import { nodeId, renderUser } from "../render/account.ts";
import { renderCommit } from "../render/commit.ts";
import { apiUrl, renderRepository } from "../render/repository.ts";
import type { CommitStatus } from "../state.ts";
import { commitOrRefuse } from "./commits.ts";

function renderStatus(call: Call, status: CommitStatus) {
  const creator = call.world.account(status.creatorId);
  return {
    url: `${apiUrl(call.world, call.repo)}/statuses/${status.sha}`,
    avatar_url: renderUser(call.world, creator).avatar_url,
    id: status.id,
    node_id: nodeId("StatusContext", status.id),
    state: status.state,
    description: status.description,
    target_url: status.targetUrl,
    context: status.context,
    created_at: status.createdAt,
    updated_at: status.createdAt,
    creator: renderUser(call.world, creator),
  };
}

const at = (call: Call, sha: string): CommitStatus[] =>
  call.world.statuses.filter((one) => one.repoId === call.repo.id && one.sha === sha).reverse();

async function emit(call: Call, status: CommitStatus): Promise<void> {
  const { world, repo } = call;
  const commit = await readCommit(repo.git, status.sha);
  if (!commit) throw new Error(`the commit ${status.sha} of a status is gone`);
  const branches = [...(await repo.git.branches())].filter(([, sha]) => sha === status.sha);
  world.hooks.emit(repo, {
    event: "status",
    action: null,
    payload: {
      id: status.id,
      sha: status.sha,
      name: world.fullName(repo),
      target_url: status.targetUrl,
      context: status.context,
      description: status.description,
      state: status.state,
      commit: renderCommit(world, repo, commit),
      branches: branches.map(([name, sha]) => ({
        name,
        commit: { sha, url: `${apiUrl(world, repo)}/commits/${sha}` },
        protected: repo.protections.has(name),
      })),
      created_at: status.createdAt,
      updated_at: status.createdAt,
    },
    sender: authorOf(world, call.actor),
  });
}

export const statuses: Handlers = {
  "repos/create-commit-status": async (call) => {
    const { world, repo } = call;
    const { sha } = await commitOrRefuse(call, call.params["sha"] ?? "");
    const body = call.body as {
      state: CommitStatus["state"];
      target_url?: string | null;
      description?: string | null;
      context?: string;
    };
    const status: CommitStatus = {
      id: world.nextId(),
      repoId: repo.id,
      sha,
      creatorId: authorOf(world, call.actor).id,
      state: body.state,
      context: body.context ?? "default",
      description: body.description ?? null,
      targetUrl: body.target_url ?? null,
      createdAt: world.stamp(),
    };
    world.statuses.push(status);
    await emit(call, status);
    await world.checksChanged(status.repoId, status.sha);
    return created(renderStatus(call, status));
  },

  "repos/list-commit-statuses-for-ref": async (call) => {
    const { sha } = await commitOrRefuse(call, call.params["ref"] ?? "");
    return page(call, at(call, sha), (one) => renderStatus(call, one));
  },

  "repos/get-combined-status-for-ref": async (call) => {
    const { sha } = await commitOrRefuse(call, call.params["ref"] ?? "");
    const all = at(call, sha);
    const latest = all.filter(
      (one, index) => all.findIndex((other) => other.context === one.context) === index,
    );
    const failing = latest.some((one) => one.state === "failure" || one.state === "error");
    const state = failing
      ? "failure"
      : latest.length === 0 || latest.some((one) => one.state === "pending")
        ? "pending"
        : "success";
    const api = apiUrl(call.world, call.repo);
    return ok({
      state,
      sha,
      total_count: latest.length,
      statuses: latest.map((one) => renderStatus(call, one)),
      repository: renderRepository(call.world, call.repo),
      commit_url: `${api}/commits/${sha}`,
      url: `${api}/commits/${sha}/status`,
    });
  },
};
