import type { FleetJob, FleetRunner } from "./job.ts";
import { PREFER_DECLINES } from "./limits.ts";

/** What a job asks of its runner. */
export type Wanted = Pick<FleetJob, "pool" | "repository" | "system" | "features"> &
  Partial<Pick<FleetJob, "machines">>;

/** Names what the runner lacks for the job; empty when it can take it. */
export function lacks(job: Wanted, runner: FleetRunner): string[] {
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
  for (const hostKey of job.machines ?? [])
    if (!mayChange(runner, hostKey, job.repository))
      missing.push(`a policy that lets it change the machine ${hostKey} for this repository`);
  return missing;
}

function mayChange({ targets }: FleetRunner, hostKey: string, repository: number): boolean {
  return targets.some((one) => one.hostKey === hostKey && one.repositories.includes(repository));
}

/** What every runner of the account lacks, told by the one that comes closest; null when one can take the job. */
export function missingEverywhere(job: Wanted, runners: readonly FleetRunner[]): string[] | null {
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

/** A job's runner. `homes` are the pins that have that runner as their home from now on. */
export type Assignment = { job: string; runner: string; homes: string[] };

/**
 * Pairs waiting jobs with free slots: repositories in turn (least recently served first), within one the oldest job
 * first. `served` says when each repository last got a slot, in any monotonic unit; `homes` which runner a pin is at.
 */
export function assign(
  jobs: readonly FleetJob[],
  runners: readonly FleetRunner[],
  served: ReadonlyMap<number, number>,
  homes: ReadonlyMap<string, string>,
  now: number,
): Assignment[] {
  const free = new Map(
    runners.filter((r) => r.online && !r.draining).map((r) => [r.runner, r.slots - r.used]),
  );
  const places: Places = { runners, free, homes: new Map(homes), now };
  const queues = queuesOf(jobs, now);
  const turn = [...queues.keys()].toSorted(
    (a, b) => (served.get(a) ?? -1) - (served.get(b) ?? -1) || a - b,
  );
  const assignments: Assignment[] = [];
  for (let some = true; some;) {
    some = false;
    for (const repository of turn) {
      const found = firstFitting(queues.get(repository) ?? [], places);
      if (found === null) continue;
      some = true;
      assignments.push(found);
      free.set(found.runner, (free.get(found.runner) ?? 0) - 1);
      for (const pin of found.homes) places.homes.set(pin, found.runner);
      queues.set(
        repository,
        (queues.get(repository) ?? []).filter((job) => job.job !== found.job),
      );
    }
  }
  return assignments;
}

type Places = {
  runners: readonly FleetRunner[];
  free: Map<string, number>;
  homes: Map<string, string>;
  now: number;
};

function queuesOf(jobs: readonly FleetJob[], now: number): Map<number, FleetJob[]> {
  const queues = new Map<number, FleetJob[]>();
  const waiting = jobs.filter(
    (job) =>
      (job.state === "queued" || (job.state === "suspect" && !job.once)) && job.notBefore <= now,
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

function firstFitting(queue: readonly FleetJob[], places: Places): Assignment | null {
  for (const job of queue) {
    const { among, homes } = candidates(job, places);
    const runner = bestOf(job, among, places.free);
    if (runner !== null) return { job: job.job, runner, homes };
  }
  return null;
}

/**
 * Who may have the job now. With an exchange, whoever has the same. Else its run's home for the system; a home that is
 * gone, or cannot take it, loses it: the next one is home for all that follows.
 */
function candidates(
  job: FleetJob,
  { runners, homes, now }: Places,
): { among: readonly FleetRunner[]; homes: string[] } {
  const able = runners.filter((runner) => lacks(job, runner).length === 0);
  const partners = able.filter(
    (runner) => job.exchange !== null && runner.exchange === job.exchange && isPresent(runner, now),
  );
  if (partners.length > 0) return { among: partners, homes: [] };
  if (job.pin === null) return { among: able, homes: [] };
  const keeps = (name: string | null | undefined): FleetRunner | undefined =>
    job.declines < PREFER_DECLINES
      ? runners.find((runner) => runner.runner === name && isPresent(runner, now))
      : undefined;
  const home = keeps(homes.get(job.pin));
  if (home !== undefined && able.includes(home)) return { among: [home], homes: [] };
  // The home lacks a feature: those that need it stay together elsewhere.
  const special = `${job.pin} ${job.features.join(" ")}`;
  const pins = [home === undefined ? job.pin : special];
  const other = home === undefined ? keeps(job.prefer) : keeps(homes.get(special));
  if (other !== undefined && able.includes(other)) return { among: [other], homes: pins };
  return { among: able, homes: pins };
}

function bestOf(
  job: FleetJob,
  among: readonly FleetRunner[],
  free: ReadonlyMap<string, number>,
): string | null {
  let best: FleetRunner | null = null;
  for (const runner of among) {
    if ((free.get(runner.runner) ?? 0) <= 0 || runner.systems === null) continue;
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
  const preferred = Number(a.runner === job.prefer) - Number(b.runner === job.prefer);
  if (preferred !== 0) return preferred > 0;
  return (free.get(a.runner) ?? 0) > (free.get(b.runner) ?? 0);
}

function isPresent(runner: FleetRunner, now: number): boolean {
  return !runner.draining && (runner.online || runner.leaseUntil > now);
}
