import { readCommit } from "../commits.ts";
import type { CheckRun, CheckSuite, PullRequest, Repository } from "../state.ts";
import type { World } from "../world.ts";
import { nodeId, renderApp } from "./account.ts";
import { renderSimpleCommit } from "./commit.ts";
import { renderPullMinimal } from "./pull.ts";
import { apiUrl, htmlUrl, renderRepository } from "./repository.ts";

/** Open pull requests with this head, but never those from forks: GitHub does not see pushes to forks here. */
export function pullsAt(world: World, repo: Repository, sha: string): PullRequest[] {
  return world
    .pullsOf(repo)
    .filter(
      (one) =>
        one.state === "open" && one.pull.head.repoId === repo.id && one.pull.head.sha === sha,
    );
}

export function renderCheckRun(world: World, run: CheckRun) {
  const repo = world.repository(run.repoId);
  const url = `${apiUrl(world, repo)}/check-runs/${run.id}`;
  return {
    id: run.id,
    node_id: nodeId("CheckRun", run.id),
    head_sha: run.headSha,
    name: run.name,
    external_id: run.externalId,
    url,
    html_url: `${htmlUrl(world, repo)}/runs/${run.id}`,
    details_url: run.detailsUrl ?? `${world.url}/html/apps/${world.app(run.appId).slug}`,
    status: run.status,
    conclusion: run.conclusion,
    started_at: run.startedAt,
    completed_at: run.completedAt,
    output: {
      ...run.output,
      annotations_count: run.annotations.length,
      annotations_url: `${url}/annotations`,
    },
    check_suite: { id: run.suiteId },
    app: renderApp(world, world.app(run.appId)),
    pull_requests: pullsAt(world, repo, run.headSha).map((one) =>
      renderPullMinimal(world, repo, one),
    ),
  };
}

/** The run inside webhooks, where its suite is larger. */
export function renderCheckRunEvent(world: World, run: CheckRun) {
  const repo = world.repository(run.repoId);
  const suite = world.checkSuites.get(run.suiteId);
  if (!suite) throw new Error(`check run ${run.id} has no suite ${run.suiteId}`);
  return { ...renderCheckRun(world, run), check_suite: renderSuiteBase(world, repo, suite) };
}

function renderSuiteBase(world: World, repo: Repository, suite: CheckSuite) {
  return {
    id: suite.id,
    node_id: nodeId("CheckSuite", suite.id),
    head_branch: suite.headBranch,
    head_sha: suite.headSha,
    status: suite.status,
    conclusion: suite.conclusion,
    url: `${apiUrl(world, repo)}/check-suites/${suite.id}`,
    before: suite.before,
    after: suite.headSha,
    pull_requests: pullsAt(world, repo, suite.headSha).map((one) =>
      renderPullMinimal(world, repo, one),
    ),
    app: renderApp(world, world.app(suite.appId)),
    created_at: suite.createdAt,
    updated_at: suite.updatedAt,
  };
}

export async function renderCheckSuite(world: World, suite: CheckSuite) {
  const repo = world.repository(suite.repoId);
  const commit = await readCommit(repo.git, suite.headSha);
  if (!commit) throw new Error(`check suite ${suite.id}: commit ${suite.headSha} is gone`);
  return {
    ...renderSuiteBase(world, repo, suite),
    repository: renderRepository(world, repo),
    head_commit: renderSimpleCommit(commit),
    latest_check_runs_count: [...world.checkRuns.values()].filter((run) => run.suiteId === suite.id)
      .length,
    check_runs_url: `${apiUrl(world, repo)}/check-suites/${suite.id}/check-runs`,
    rerequestable: true,
    runs_rerequestable: true,
  };
}
