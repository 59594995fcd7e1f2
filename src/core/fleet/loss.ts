import { cancelled, done, forget, infrastructure, same } from "./end.ts";
import type { FleetJob, JobEffect, Step } from "./job.ts";
import { backoff, MAX_ATTEMPTS, MAX_LOSSES, WAITS } from "./limits.ts";

const NOBODY_CAME = `a runner that is there: none that could take the job was free within ${WAITS / 3_600_000} hours`;

export function notTaken(job: FleetJob, reason: string, now: number): Step {
  if (job.cancel !== null) return done(job, cancelled(job.cancel), null, now);
  const declines = job.declines + 1;
  if (job.attempt >= MAX_ATTEMPTS) {
    return done(
      job,
      infrastructure(`Nobody took the job in ${MAX_ATTEMPTS} offers. The last answer: ${reason}`),
      null,
      now,
    );
  }
  return {
    job: {
      ...job,
      state: "queued",
      since: now,
      declines,
      notBefore: now + backoff(declines),
      avoid: job.runner,
      runner: null,
    },
    effects: [],
  };
}

export function absent(job: FleetJob, runner: string, now: number): Step {
  if (job.runner !== runner) return same(job);
  switch (job.state) {
    case "offered":
      return notTaken(job, "the offer did not arrive", now);
    case "accepted":
    case "running":
    case "suspect":
      return lost(job, "the runner no longer has the attempt", now);
    case "queued":
    case "offering":
    case "done":
      return same(job);
  }
}

function lost(job: FleetJob, why: string, now: number): Step {
  const losses = job.losses + 1;
  // Cancelled or not: nobody knows how far it came.
  if (job.once) return done({ ...job, losses }, infrastructure(onceOnly(why, job)), null, now);
  if (job.cancel !== null) return done(job, cancelled(job.cancel), null, now);
  if (losses >= MAX_LOSSES || job.attempt >= MAX_ATTEMPTS) {
    return done(
      { ...job, losses },
      infrastructure(
        `${losses} attempts were lost; the last one: ${why} (${job.runner ?? "unknown"}).`,
      ),
      null,
      now,
    );
  }
  return {
    job: {
      ...job,
      state: "queued",
      since: now,
      losses,
      notBefore: now + backoff(losses),
      avoid: job.runner,
    },
    effects: adrift(job),
  };
}

function onceOnly(why: string, { runner }: FleetJob): string {
  return `The attempt was lost: ${why} (${runner ?? "unknown"}). What changes a machine is not tried again by itself.`;
}

/** Only with an exchange does a job keep anything from others. */
function adrift({ exchange, attempt }: FleetJob): JobEffect[] {
  return exchange === null ? [] : [{ kind: "tell-adrift", attempt }];
}

export function expired(job: FleetJob, now: number): Step {
  switch (job.state) {
    case "offered": {
      const told =
        job.runner === null
          ? []
          : [forget({ attempt: job.attempt, runner: job.runner }, "the offer has lapsed")];
      const next = notTaken(job, "no answer to the offer", now);
      return { job: next.job, effects: [...told, ...next.effects] };
    }
    case "accepted":
    case "running": {
      // It goes on at the machine, whoever wants it or not, and its runner may come back with how it ended.
      if (job.once) return { job: { ...job, state: "suspect", since: now }, effects: [] };
      const last =
        job.losses + 1 >= MAX_LOSSES || job.attempt >= MAX_ATTEMPTS || job.cancel !== null;
      if (last) return lost(job, "its lease ran out", now);
      return { job: { ...job, state: "suspect", since: now }, effects: adrift(job) };
    }
    case "queued":
      return done(job, { kind: "no-runner", missing: [NOBODY_CAME] }, null, now);
    case "suspect":
      if (job.once) return done(job, infrastructure(onceOnly("its lease ran out", job)), null, now);
      return done(
        job,
        infrastructure(
          `The runner went away and nobody took over within ${WAITS / 3_600_000} hours.`,
        ),
        null,
        now,
      );
    case "offering":
    case "done":
      return same(job);
  }
}

export function impossible(job: FleetJob, missing: readonly string[], now: number): Step {
  if (job.state !== "queued" && job.state !== "suspect") return same(job);
  if (job.state === "suspect" && job.once) return lost(job, "its runner was taken out", now);
  return done(
    job,
    { kind: "no-runner", missing: missing.slice(0, 64).map((each) => each.slice(0, 256)) },
    null,
    now,
  );
}
