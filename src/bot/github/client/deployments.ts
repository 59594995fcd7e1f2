import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { DesiredDeployment } from "../../objects/contracts.ts";

/** Pages of a commit's deployments that a lookup reads, 100 in each. */
const PAGES = 10;

type Headers = Readonly<Record<string, string | number | undefined>>;
type Made = { shownId: number; headers: Headers };

const Deployment = z.object({
  id: z.int().positive(),
  payload: z.unknown(),
  performed_via_github_app: z.object({ id: z.int() }).nullish(),
});
const Payload = z.object({ resource: z.string() });

/** Made, and then said how it stands: whoever dies in between looks it up and says that again. */
export async function createDeployment(octokit: Octokit, wanted: DesiredDeployment): Promise<Made> {
  const { owner, name: repo } = wanted.repository;
  const answer = await octokit.rest.repos.createDeployment({
    owner,
    repo,
    ref: wanted.sha,
    task: wanted.task,
    // The very commit: GitHub must not merge anything into it.
    auto_merge: false,
    // What is required was looked at before by the policy; a deploy's own check is never complete here.
    required_contexts: [],
    payload: { ...wanted.payload, resource: wanted.resource },
    environment: wanted.environment,
    description: wanted.description.slice(0, 140),
  });
  const { id } = Deployment.parse(answer.data);
  return await updateDeployment(octokit, id, wanted);
}

/** One more status: the newest is what GitHub shows. */
export async function updateDeployment(
  octokit: Octokit,
  shownId: number,
  wanted: DesiredDeployment,
): Promise<Made> {
  const { owner, name: repo } = wanted.repository;
  const answer = await octokit.rest.repos.createDeploymentStatus({
    owner,
    repo,
    deployment_id: shownId,
    state: wanted.state,
    description: wanted.description.slice(0, 140),
    ...(wanted.logUrl === null ? {} : { log_url: wanted.logUrl }),
    ...(wanted.environmentUrl === null ? {} : { environment_url: wanted.environmentUrl }),
  });
  return { shownId, headers: answer.headers };
}

/** By the resource in its payload, and only where our App made it. */
export async function findDeployment(
  octokit: Octokit,
  app: number,
  shownId: number | null,
  wanted: DesiredDeployment,
): Promise<number | null> {
  if (shownId !== null) return shownId;
  const { owner, name: repo } = wanted.repository;
  for (let page = 1; page <= PAGES; page += 1) {
    const { data } = await octokit.rest.repos.listDeployments({
      owner,
      repo,
      sha: wanted.sha,
      environment: wanted.environment,
      per_page: 100,
      page,
    });
    const deployments = z.array(Deployment).parse(data);
    const found = deployments.find(
      ({ payload, performed_via_github_app: by }) =>
        by?.id === app && resourceOf(payload) === wanted.resource,
    );
    if (found) return found.id;
    if (deployments.length < 100) return null;
  }
  return null;
}

/** GitHub gives a payload back as it was given: an object, or its text. */
function resourceOf(payload: unknown): string | null {
  const object: unknown = typeof payload === "string" ? tryJson(payload) : payload;
  const read = Payload.safeParse(object);
  return read.success ? read.data.resource : null;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
