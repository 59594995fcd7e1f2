import type { Verdict } from "../../protocol/verdict.ts";
import type { FleetJob, JobEffect, Step } from "./job.ts";

/** Whom a word about an attempt is from, or for. */
export type Said = { attempt: number; runner: string };

export const same = (job: FleetJob): Step => ({ job, effects: [] });

export const isCurrent = (job: FleetJob, said: Said) =>
  job.attempt === said.attempt && job.runner === said.runner;

export const forget = (said: Said, reason: string): JobEffect => ({
  kind: "forget",
  attempt: said.attempt,
  runner: said.runner,
  reason,
});

/** The job is over: its verdict goes to the Run. */
export function done(job: FleetJob, verdict: Verdict, digest: string | null, now: number): Step {
  return {
    job: { ...job, state: "done", since: now, digest },
    effects: [{ kind: "forward", attempt: job.attempt, verdict, digest }],
  };
}

export const cancelled = (reason: string): Verdict => ({
  kind: "cancelled",
  by: reason.slice(0, 256),
});

export const infrastructure = (message: string): Verdict => ({
  kind: "infrastructure",
  message: message.slice(0, 16_384),
  logTail: "",
});
