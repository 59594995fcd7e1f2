import type { IsolatedJob } from "../isolation/index.ts";
import type { Launch, Workspace } from "./launch.ts";
import { StoreService } from "./store/serve/service.ts";

/** The programs of an open job as this folder starts them. */
export function workspaceOf(job: IsolatedJob): Workspace {
  // Fetchers keep what they got for the next process of the same job; HOME is new for each.
  const env = { XDG_CACHE_HOME: `${job.inside}/cache` };
  const launch: Launch = async ({ memoryBytes, ...request }) => {
    const result = await job.run({
      ...request,
      env: { ...env, ...request.env },
      limits: memoryBytes === undefined ? {} : { memoryBytes: Math.floor(memoryBytes) },
    });
    return { ...result, startFailure: result.startFailure?.message ?? null };
  };
  return {
    directory: job.inside,
    secrets: job.secrets,
    endings: () => job.endings(),
    launch,
    store: new StoreService(launch, job.remote),
  };
}
