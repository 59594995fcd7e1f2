import type { Verdict } from "../../protocol/verdict.ts";
import { cancelled, done, forget, isCurrent, type Said, same } from "./end.ts";
import type { FleetJob, JobEffect, JobEvent, Step } from "./job.ts";
import { absent, expired, impossible, notTaken } from "./loss.ts";

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
    case "impossible":
      return impossible(job, event.missing, now);
    case "cancel":
      return cancel(job, event.reason, now);
  }
}

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
  return done(job, said.verdict, said.digest, now);
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

function cancel(job: FleetJob, reason: string, now: number): Step {
  switch (job.state) {
    case "done":
      return same(job);
    case "queued":
      return done(job, cancelled(reason), null, now);
    case "suspect":
      // What it does to a machine is ended by its runner, when that is back.
      if (job.once) return { job: { ...job, cancel: reason }, effects: [] };
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

const pick = (said: Said): Said => ({ attempt: said.attempt, runner: said.runner });
