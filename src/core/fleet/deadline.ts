import { LEASE } from "../../protocol/control.ts";
import type { FleetJob, FleetRunner } from "./job.ts";
import { AWAY, WAITS } from "./limits.ts";

/**
 * When the job's state runs out (ms), null for those that wait for something else. `leaseUntil` is that of its runner:
 * the last renewal plus the lease, or later when the control plane itself was away.
 */
export function deadline(job: FleetJob, leaseUntil: number): number | null {
  switch (job.state) {
    case "offered":
    case "accepted":
      // Never before the runner had the time to come back: the control plane's own absence is not the runner's fault.
      return Math.max(job.since + LEASE.start, leaseUntil - LEASE.duration);
    case "running":
      return leaseUntil;
    case "queued":
      // From when it was lost, if it ever ran: what came before was no waiting.
      return (job.losses > 0 ? job.since : job.queuedAt) + WAITS;
    case "suspect":
      return job.since + (job.once ? AWAY : WAITS);
    case "offering":
    case "done":
      return null;
  }
}

/** The earliest time at which something is to be done without anybody saying anything; null when nothing waits. */
export function nextDue(
  jobs: readonly FleetJob[],
  runners: ReadonlyMap<string, FleetRunner>,
  homes: ReadonlyMap<string, string>,
  now: number,
): number | null {
  let earliest: number | null = null;
  for (const job of jobs) {
    const leaseUntil = job.runner === null ? 0 : (runners.get(job.runner)?.leaseUntil ?? 0);
    const awaited = [...runners.values()].filter(
      ({ runner, exchange }) =>
        runner === job.prefer ||
        (job.pin !== null && runner === homes.get(job.pin)) ||
        (job.exchange !== null && exchange === job.exchange),
    );
    for (const at of [deadline(job, leaseUntil), ...waits(job, awaited, now)]) {
      if (at !== null && (earliest === null || at < earliest)) earliest = at;
    }
  }
  return earliest;
}

/** A waiting job may be offered when its pause is over, and to others when a runner that it waits for is gone for good. */
function waits(job: FleetJob, awaited: readonly FleetRunner[], now: number): number[] {
  if (job.state !== "queued" && job.state !== "offering" && job.state !== "suspect") return [];
  if (job.notBefore > now) return [job.notBefore];
  return awaited
    .filter(({ online, leaseUntil }) => !online && leaseUntil > now)
    .map(({ leaseUntil }) => leaseUntil);
}
