import type { Verdict } from "../../protocol/verdict.ts";
import type { FleetJob, JobEffect, JobEvent, Step } from "./job.ts";
import { backoff, MAX_ATTEMPTS, MAX_LOSSES } from "./limits.ts";

/** What an event does to a job. Total: what does not apply changes nothing, and may tell the runner to forget. */
export function step(job: FleetJob, event: JobEvent, now: number): Step {
  switch (event.kind) {
    case "offer":
      return offer(job, event.runner, now);
    case "sent":
      return sent(job, now);
    case "accept":
      return accept(job, event, now);
    case "decline":
      return decline(job, event, now);
    case "started":
      return started(job, event, now);
    case "finished":
      return finished(job, event, now);
    case "held":
      return held(job, event, now);
    case "absent":
      return absent(job, event.runner, now);
    case "expired":
      return expired(job, now);
    case "cancel":
      return cancel(job, event.reason, now);
  }
}

type Said = { attempt: number; runner: string };
const same = (job: FleetJob): Step => ({ job, effects: [] });
const isCurrent = (job: FleetJob, said: Said) =>
  job.attempt === said.attempt && job.runner === said.runner;
const forget = (said: Said, reason: string): JobEffect => ({
  kind: "forget",
  attempt: said.attempt,
  runner: said.runner,
  reason,
});

function offer(job: FleetJob, runner: string, now: number): Step {
  if (job.state !== "queued" && job.state !== "suspect") return same(job);
  const next: FleetJob = {
    ...job,
    state: "offering",
    attempt: job.attempt + 1,
    runner,
    since: now,
    avoid: null,
  };
  if (job.state === "queued" || job.runner === null) return { job: next, effects: [] };
  const lost = { attempt: job.attempt, runner: job.runner };
  return {
    job: { ...next, losses: job.losses + 1 },
    effects: [forget(lost, `attempt ${next.attempt} was offered`)],
  };
}

function sent(job: FleetJob, now: number): Step {
  if (job.state !== "offering") return same(job);
  if (job.cancel !== null) return done(job, cancelled(job.cancel), null, now);
  return { job: { ...job, state: "offered", since: now }, effects: [] };
}

function accept(job: FleetJob, said: Said, now: number): Step {
  if (!isCurrent(job, said)) return { job, effects: [forget(said, "the attempt is not current")] };
  if (job.state === "offered")
    return { job: { ...job, state: "accepted", since: job.since, declines: 0 }, effects: [] };
  if (job.state === "queued" || job.state === "done")
    return { job, effects: [forget(said, "the offer has lapsed")] };
  return held(job, said, now);
}

function decline(job: FleetJob, said: Said & { reason: string }, now: number): Step {
  if (!isCurrent(job, said) || (job.state !== "offered" && job.state !== "accepted"))
    return same(job);
  return notTaken(job, said.reason, now);
}

function notTaken(job: FleetJob, reason: string, now: number): Step {
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

function started(job: FleetJob, said: Said, now: number): Step {
  if (!isCurrent(job, said)) return { job, effects: [forget(said, "the attempt is not current")] };
  switch (job.state) {
    case "offered":
    case "accepted":
    case "suspect":
      return {
        job: { ...job, state: "running", since: now, declines: 0 },
        effects: [{ kind: "tell-started", ...pick(said) }],
      };
    case "queued":
    case "offering":
    case "done":
      return { job, effects: [forget(said, "the offer has lapsed")] };
    case "running":
      return same(job);
  }
}

function finished(
  job: FleetJob,
  said: Said & { verdict: Verdict; digest: string },
  now: number,
): Step {
  if (job.state === "done" && job.digest === said.digest) return same(job);
  if (job.state === "done" || job.state === "offering" || !isCurrent(job, said)) {
    return {
      job,
      effects: [
        forget(said, job.state === "done" ? "the job is over" : "a newer attempt was offered"),
      ],
    };
  }
  if (said.verdict.kind === "infrastructure") return failedHere(job, said, now);
  return done(job, said.verdict, said.digest, now);
}

/** The runner's own trouble: tried again, elsewhere if possible, while attempts are left. */
function failedHere(
  job: FleetJob,
  said: Said & { verdict: Verdict; digest: string },
  now: number,
): Step {
  if (job.cancel !== null) return done(job, cancelled(job.cancel), null, now);
  const losses = job.losses + 1;
  if (losses >= MAX_LOSSES || job.attempt >= MAX_ATTEMPTS)
    return done({ ...job, losses }, said.verdict, said.digest, now);
  return {
    job: {
      ...job,
      state: "queued",
      since: now,
      losses,
      notBefore: now + backoff(losses),
      avoid: job.runner,
      runner: null,
    },
    effects: [],
  };
}

function held(job: FleetJob, said: Said, now: number): Step {
  if (!isCurrent(job, said) || job.state === "done")
    return { job, effects: [forget(said, "the attempt is not current")] };
  const effects: JobEffect[] =
    job.cancel === null ? [] : [{ kind: "cancel", ...pick(said), reason: job.cancel }];
  // Declared absent, and here after all (or suspect, and back): it is running, since nothing newer was offered.
  if (job.state === "queued" || job.state === "suspect")
    return { job: { ...job, state: "running", since: now }, effects };
  return { job, effects };
}

function absent(job: FleetJob, runner: string, now: number): Step {
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
  if (job.cancel !== null) return done(job, cancelled(job.cancel), null, now);
  const losses = job.losses + 1;
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
    effects: [],
  };
}

function expired(job: FleetJob, now: number): Step {
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
      const last =
        job.losses + 1 >= MAX_LOSSES || job.attempt >= MAX_ATTEMPTS || job.cancel !== null;
      if (last) return lost(job, "its lease ran out", now);
      return { job: { ...job, state: "suspect", since: now }, effects: [] };
    }
    case "queued":
    case "offering":
    case "suspect":
    case "done":
      return same(job);
  }
}

function cancel(job: FleetJob, reason: string, now: number): Step {
  switch (job.state) {
    case "done":
      return same(job);
    case "queued":
    case "suspect":
      return done(job, cancelled(reason), null, now);
    case "offering":
      return { job: { ...job, cancel: reason }, effects: [] };
    case "offered":
    case "accepted":
    case "running":
      if (job.runner === null) return done(job, cancelled(reason), null, now);
      return {
        job: { ...job, cancel: reason },
        effects: [{ kind: "cancel", attempt: job.attempt, runner: job.runner, reason }],
      };
  }
}

function done(job: FleetJob, verdict: Verdict, digest: string | null, now: number): Step {
  return {
    job: { ...job, state: "done", since: now, digest },
    effects: [{ kind: "forward", attempt: job.attempt, verdict, digest }],
  };
}

const cancelled = (reason: string): Verdict => ({ kind: "cancelled", by: reason.slice(0, 256) });
const infrastructure = (message: string): Verdict => ({
  kind: "infrastructure",
  message: message.slice(0, 16_384),
  logTail: "",
});
const pick = (said: Said): Said => ({ attempt: said.attempt, runner: said.runner });
