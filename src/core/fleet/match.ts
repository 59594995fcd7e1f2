import type { FleetJob, FleetRunner } from "./job.ts";
import { PREFER_DECLINES } from "./limits.ts";

/** Names what the runner lacks for the job; empty when it can take it. */
export function lacks(
  job: Pick<FleetJob, "pool" | "repository" | "system" | "features">,
  runner: FleetRunner,
): string[] {
  if (runner.pool !== job.pool) return [`a runner of pool ${job.pool}`];
  if (runner.repositories !== null && !runner.repositories.includes(job.repository))
    return ["a runner that may serve this repository"];
  // Enrolled and never heard: what it has is not known yet, so the job waits for it.
  if (runner.systems === null) return [];
  const missing: string[] = [];
  if (job.system !== null && !runner.systems.includes(job.system))
    missing.push(`system ${job.system}`);
  for (const feature of job.features)
    if (!runner.features.includes(feature)) missing.push(`feature ${feature}`);
  return missing;
}

/** What every runner of the account lacks, told by the one that comes closest; null when one can take the job. */
export function missingEverywhere(
  job: Pick<FleetJob, "pool" | "repository" | "system" | "features">,
  runners: readonly FleetRunner[],
): string[] | null {
  let closest: { rank: number; missing: string[] } = {
    rank: 3,
    missing: [`a runner of pool ${job.pool}`],
  };
  for (const runner of runners) {
    const missing = lacks(job, runner);
    if (missing.length === 0) return null;
    const rank =
      runner.pool !== job.pool
        ? 2
        : runner.repositories !== null && !runner.repositories.includes(job.repository)
          ? 1
          : 0;
    if (rank < closest.rank || (rank === closest.rank && missing.length < closest.missing.length))
      closest = { rank, missing };
  }
  return closest.missing;
}

export type Assignment = { job: string; runner: string };

/**
 * Pairs waiting jobs with free slots: repositories in turn (least recently served first), within one the oldest job
 * first. `served` says when each repository last got a slot, in any monotonic unit.
 */
export function assign(
  jobs: readonly FleetJob[],
  runners: readonly FleetRunner[],
  served: ReadonlyMap<number, number>,
  now: number,
): Assignment[] {
  const free = new Map(
    runners.filter((r) => r.online && !r.draining).map((r) => [r.runner, r.slots - r.used]),
  );
  const queues = queuesOf(jobs, now);
  const turn = [...queues.keys()].toSorted(
    (a, b) => (served.get(a) ?? -1) - (served.get(b) ?? -1) || a - b,
  );
  const assignments: Assignment[] = [];
  for (let some = true; some;) {
    some = false;
    for (const repository of turn) {
      const found = firstFitting(queues.get(repository) ?? [], runners, free, now);
      if (found === null) continue;
      some = true;
      assignments.push(found);
      free.set(found.runner, (free.get(found.runner) ?? 0) - 1);
      queues.set(
        repository,
        (queues.get(repository) ?? []).filter((job) => job.job !== found.job),
      );
    }
  }
  return assignments;
}

function queuesOf(jobs: readonly FleetJob[], now: number): Map<number, FleetJob[]> {
  const queues = new Map<number, FleetJob[]>();
  const waiting = jobs.filter(
    (job) => (job.state === "queued" || job.state === "suspect") && job.notBefore <= now,
  );
  for (const job of waiting.toSorted(
    (a, b) => a.queuedAt - b.queuedAt || (a.job < b.job ? -1 : 1),
  )) {
    const queue = queues.get(job.repository);
    if (queue) queue.push(job);
    else queues.set(job.repository, [job]);
  }
  return queues;
}

function firstFitting(
  queue: readonly FleetJob[],
  runners: readonly FleetRunner[],
  free: ReadonlyMap<string, number>,
  now: number,
): Assignment | null {
  for (const job of queue) {
    const runner = runnerFor(job, runners, free, now);
    if (runner !== null) return { job: job.job, runner };
  }
  return null;
}

function runnerFor(
  job: FleetJob,
  runners: readonly FleetRunner[],
  free: ReadonlyMap<string, number>,
  now: number,
): string | null {
  const preferred = runners.find((runner) => runner.runner === job.prefer);
  const bound =
    preferred !== undefined &&
    isPresent(preferred, now) &&
    lacks(job, preferred).length === 0 &&
    job.declines < PREFER_DECLINES;
  let best: FleetRunner | null = null;
  for (const runner of bound ? [preferred] : runners) {
    if (
      (free.get(runner.runner) ?? 0) <= 0 ||
      runner.systems === null ||
      lacks(job, runner).length > 0
    )
      continue;
    // The holder of a suspect attempt may still finish it; offering it the next one would only cancel its own work.
    if (job.state === "suspect" && runner.runner === job.runner) continue;
    if (best === null || better(job, runner, best, free)) best = runner;
  }
  return best?.runner ?? null;
}

function better(
  job: FleetJob,
  a: FleetRunner,
  b: FleetRunner,
  free: ReadonlyMap<string, number>,
): boolean {
  const avoided = Number(a.runner === job.avoid) - Number(b.runner === job.avoid);
  if (avoided !== 0) return avoided < 0;
  return (free.get(a.runner) ?? 0) > (free.get(b.runner) ?? 0);
}

function isPresent(runner: FleetRunner, now: number): boolean {
  return !runner.draining && (runner.online || runner.leaseUntil > now);
}
