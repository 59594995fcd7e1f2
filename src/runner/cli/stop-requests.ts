import { existsSync, watch } from "node:fs";
import { chown, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * How the supervisor asks its agent to end, by empty files in the agent's directory: `drain` takes no new jobs and ends
 * when the running ones are done, `cancel` also cancels those. (A signal to the group would reach the jobs as well.)
 */
const REQUESTS = ["drain", "cancel"] as const;
export type StopRequest = (typeof REQUESTS)[number];

const fileOf = (directory: string, request: StopRequest) => join(directory, `stop-${request}`);

export async function askToStop(
  directory: string,
  request: StopRequest,
  owner: number,
): Promise<void> {
  await writeFile(fileOf(directory, request), "");
  await chown(fileOf(directory, request), owner, owner);
}

/** Calls back for each request, also for one that was there before; the answer ends it. */
export function watchRequests(directory: string, on: Record<StopRequest, () => void>): () => void {
  const seen = new Set<StopRequest>();
  const look = () => {
    for (const request of REQUESTS) {
      if (seen.has(request) || !existsSync(fileOf(directory, request))) continue;
      seen.add(request);
      on[request]();
    }
  };
  const watcher = watch(directory, look);
  look();
  return () => watcher.close();
}

export async function clearRequests(directory: string): Promise<void> {
  for (const request of REQUESTS) await rm(fileOf(directory, request), { force: true });
}
