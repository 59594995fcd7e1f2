import { Refused, created, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { nodeId, renderApp, renderUser } from "../render/account.ts";
import { apiUrl } from "../render/repository.ts";
import type { Deployment, DeploymentStatus } from "../state.ts";
import { latestRuns } from "../suites.ts";

/** Protection rules of environments are not here: GitHub does not apply them to what an App deploys. */

function deploymentOf(call: Call): Deployment {
  const found = call.world.deployments.get(numeric(call, "deployment_id"));
  if (!found || found.repoId !== call.repo.id) throw notFound();
  return found;
}

function render(call: Call, one: Deployment) {
  const { world, repo } = call;
  const url = `${apiUrl(world, repo)}/deployments/${one.id}`;
  return {
    url,
    id: one.id,
    node_id: nodeId("Deployment", one.id),
    sha: one.sha,
    ref: one.ref,
    task: one.task,
    payload: one.payload,
    original_environment: one.environment,
    environment: one.environment,
    description: one.description,
    creator: renderUser(world, world.account(one.creatorId)),
    created_at: one.createdAt,
    updated_at: one.statuses.at(-1)?.createdAt ?? one.createdAt,
    statuses_url: `${url}/statuses`,
    repository_url: apiUrl(world, repo),
    transient_environment: false,
    production_environment: one.environment === "production",
    ...performedBy(call, one.creatorId),
  };
}

function performedBy(call: Call, creatorId: number) {
  const app = [...call.world.apps.values()].find((one) => one.botId === creatorId);
  return app ? { performed_via_github_app: renderApp(call.world, app) } : {};
}

function renderStatus(call: Call, one: Deployment, status: DeploymentStatus) {
  const { world, repo } = call;
  const deployment = `${apiUrl(world, repo)}/deployments/${one.id}`;
  return {
    url: `${deployment}/statuses/${status.id}`,
    id: status.id,
    node_id: nodeId("DeploymentStatus", status.id),
    state: status.state,
    creator: renderUser(world, world.account(status.creatorId)),
    description: status.description,
    environment: one.environment,
    target_url: status.logUrl,
    log_url: status.logUrl,
    environment_url: status.environmentUrl,
    created_at: status.createdAt,
    updated_at: status.createdAt,
    deployment_url: deployment,
    repository_url: apiUrl(world, repo),
    ...performedBy(call, status.creatorId),
  };
}

interface DeploymentInput {
  ref: string;
  task?: string;
  auto_merge?: boolean;
  required_contexts?: string[] | null;
  payload?: Record<string, unknown> | string;
  environment?: string;
  description?: string | null;
}

/** Without a list GitHub wants every check of the commit to be green. */
function contextsFault(call: Call, sha: string, wanted: string[] | null | undefined): boolean {
  const runs = latestRuns(
    [...call.world.checkRuns.values()].filter(
      (run) => run.repoId === call.repo.id && run.headSha === sha,
    ),
  );
  const good = (name: string): boolean =>
    runs.some(
      (run) =>
        run.name === name && ["success", "neutral", "skipped"].includes(run.conclusion ?? ""),
    );
  return !(wanted ?? runs.map((run) => run.name)).every(good);
}

export const deployments: Handlers = {
  "repos/list-deployments": (call) => {
    const { query } = call;
    const all = [...call.world.deployments.values()]
      .reverse()
      .filter(
        (one) =>
          one.repoId === call.repo.id &&
          (["sha", "ref", "task", "environment"] as const).every(
            (key) => query[key] === undefined || query[key] === "none" || one[key] === query[key],
          ),
      );
    return page(call, all, (one) => render(call, one));
  },

  "repos/get-deployment": (call) => ok(render(call, deploymentOf(call))),

  "repos/create-deployment": async (call) => {
    const { world, repo } = call;
    const input = call.body as DeploymentInput;
    const sha = await repo.git.commitOf(input.ref);
    if (sha === undefined) throw new Refused(422, `No ref found for: ${input.ref}`);
    const base = await repo.git.commitOf(repo.defaultBranch);
    // GitHub would merge the default branch in; a double that wrote such commits would hide the mistake.
    if (
      input.auto_merge !== false &&
      base !== undefined &&
      !(await repo.git.isAncestor(base, sha))
    ) {
      throw new Refused(
        409,
        "Conflict merging the default branch: the double only deploys with auto_merge: false or an up-to-date ref",
      );
    }
    if (contextsFault(call, sha, input.required_contexts))
      throw new Refused(409, "Conflict: Commit status checks failed for " + input.ref);
    const one: Deployment = {
      id: world.nextId(),
      repoId: repo.id,
      creatorId: authorOf(world, call.actor).id,
      sha,
      ref: input.ref,
      task: input.task ?? "deploy",
      environment: input.environment ?? "production",
      description: input.description ?? null,
      payload: input.payload ?? {},
      createdAt: world.stamp(),
      statuses: [],
    };
    world.deployments.set(one.id, one);
    return created(render(call, one));
  },

  "repos/list-deployment-statuses": (call) => {
    const one = deploymentOf(call);
    return page(call, [...one.statuses].reverse(), (status) => renderStatus(call, one, status));
  },

  "repos/create-deployment-status": (call) => {
    const { world } = call;
    const one = deploymentOf(call);
    const input = call.body as {
      state: string;
      log_url?: string;
      target_url?: string;
      environment_url?: string;
      description?: string;
    };
    const status: DeploymentStatus = {
      id: world.nextId(),
      state: input.state,
      creatorId: authorOf(world, call.actor).id,
      description: input.description ?? "",
      logUrl: input.log_url ?? input.target_url ?? "",
      environmentUrl: input.environment_url ?? "",
      createdAt: world.stamp(),
    };
    // A deployment that succeeds makes the earlier ones of its environment inactive.
    if (status.state === "success") {
      for (const other of world.deployments.values()) {
        const last = other.statuses.at(-1);
        if (
          other.id !== one.id &&
          other.repoId === one.repoId &&
          other.environment === one.environment &&
          last?.state === "success"
        ) {
          other.statuses.push({
            ...last,
            id: world.nextId(),
            state: "inactive",
            createdAt: status.createdAt,
          });
        }
      }
    }
    one.statuses.push(status);
    return created(renderStatus(call, one, status));
  },

  "repos/get-all-environments": (call) => {
    const { world, repo } = call;
    const first = new Map<string, Deployment>();
    for (const one of world.deployments.values())
      if (one.repoId === repo.id && !first.has(one.environment)) first.set(one.environment, one);
    return page(
      call,
      [...first.values()],
      (one) => ({
        id: one.id,
        node_id: nodeId("Environment", one.id),
        name: one.environment,
        url: `${apiUrl(world, repo)}/environments/${encodeURIComponent(one.environment)}`,
        html_url: `${apiUrl(world, repo)}/environments/${encodeURIComponent(one.environment)}`,
        created_at: one.createdAt,
        updated_at: one.createdAt,
        protection_rules: [],
        deployment_branch_policy: null,
      }),
      (shown, total) => ({ total_count: total, environments: shown }),
    );
  },
};
