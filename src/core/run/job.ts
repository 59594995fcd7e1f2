import type { Verdict } from "../../protocol/verdict.ts";
import { retried } from "../verdict/index.ts";
import { Draft } from "./draft.ts";
import type { Changes, JobRow, Slice } from "./rows.ts";

/** How often work that failed through no fault of its own is tried again without anybody asking. */
const RETRIES = 1;
/**
 * How long work rests before (ms). `job`: the runner, its agent or its daemon went down, and come up in seconds.
 * `derivation`: rate limits and servers that are down need longer. Somebody waits for the check all the while.
 */
const PAUSE = { job: 10_000, derivation: 30_000 } as const;

/** Whether the work of a job had its second chance: as another job, or because an attempt of this one was lost. */
function mayRetry(draft: Draft, job: JobRow): boolean {
  return job.retries + Math.max(0, job.starts - 1) < RETRIES && draft.run.stopped === null;
}

/**
 * Whether a derivation's result is kept back: the surroundings failed it, and it is tried once more with what else is
 * left of its job.
 */
export function heldBack(draft: Draft, job: JobRow | null, verdict: Verdict): boolean {
  return retried(verdict.kind) && job !== null && mayRetry(draft, job);
}

/** Whether a frame of this attempt counts; the words say why not. */
export function stale(job: JobRow | null, attempt: number): string | null {
  if (job === null) return "the run has no such job";
  if (job.state === "finished") return `the job is over: ${job.verdict?.kind ?? "no verdict"}`;
  if (attempt < job.attempt) return `attempt ${job.attempt} was offered`;
  return null;
}

/** The Fleet took the job. A job that got further meanwhile stays where it is. */
export function queued(slice: Slice, number: number): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job?.state === "new") job.state = "queued";
  return draft.changes();
}

export function offered(slice: Slice, number: number, attempt: number, runner: string): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null || job.state === "finished" || attempt <= job.attempt) return draft.changes();
  Object.assign(job, { state: "offered", attempt, runner });
  return draft.changes();
}

export function started(slice: Slice, number: number, attempt: number, runner: string): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null || job.state === "finished" || attempt < job.attempt) return draft.changes();
  if (job.state !== "running" || job.attempt !== attempt) job.starts += 1;
  Object.assign(job, { state: "running", attempt, runner });
  if (job.kind === "evaluate" && job.aside === null) draft.run.evaluator = runner;
  return draft.changes();
}

export type Finish = { outcome: "applied" | "known" | "refused"; changes: Changes };

/**
 * A job's final verdict, applied once. The slice has the job, the derivations it leases and their attributes. A verdict
 * of an attempt that another followed is refused, and so is a second, different one.
 */
export function finish(
  slice: Slice,
  number: number,
  attempt: number,
  verdict: Verdict,
  digest: string,
  now: number,
): Finish {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null) return { outcome: "refused", changes: draft.changes() };
  if (job.state === "finished") {
    // The run had ended it by itself (stopped): the Fleet's word is known in substance.
    const same = job.digest === null || job.digest === digest;
    return { outcome: same ? "known" : "refused", changes: draft.changes() };
  }
  if (attempt < job.attempt) return { outcome: "refused", changes: draft.changes() };
  job.attempt = attempt;
  draft.finishJob(job, verdict, digest);
  close(draft, job, verdict, now);
  return { outcome: "applied", changes: draft.changes() };
}

/**
 * The Fleet had forgotten the job and took it for a new one. Where no attempt had been offered that is all there is to
 * it. Else its attempts would count from 1 again, below those that the run has heard of: another job takes its place.
 */
export function lost(slice: Slice, number: number, now: number): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null || job.state === "finished" || job.attempt === 0) return draft.changes();
  const message = "The control plane lost track of the job.";
  const verdict: Verdict = { kind: "infrastructure", message, logTail: "" };
  draft.finishJob(job, verdict, null);
  job.cancel = message;
  close(draft, job, verdict, now);
  return draft.changes();
}

/** Somebody ended it: what it had to do is not tried again. */
export function cancelJob(slice: Slice, number: number, by: string, now: number): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null || job.state === "finished") return draft.changes();
  const verdict: Verdict = { kind: "cancelled", by };
  // One that the Fleet has not heard of needs no cancelling.
  if (job.state !== "new") job.cancel = `cancelled by ${by}`;
  draft.finishJob(job, verdict, null);
  close(draft, job, verdict, now);
  return draft.changes();
}

/** No class of the account can ever take the job. */
export function noRunner(slice: Slice, number: number, missing: string[]): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null || job.state === "finished") return draft.changes();
  const verdict: Verdict = {
    kind: "no-runner",
    missing: missing.slice(0, 64).map((one) => one.slice(0, 256)),
  };
  draft.finishJob(job, verdict, null);
  close(draft, job, verdict, 0);
  return draft.changes();
}

function close(draft: Draft, job: JobRow, verdict: Verdict, now: number): void {
  // What is beside the run is not tried again: it is said why it is unknown.
  if (job.aside !== null) return;
  if (job.kind === "evaluate") finishEvaluation(draft, job, verdict, now);
  // What is about machines is never tried again by itself: whoever asked for it reads how it ended.
  else if (job.kind === "build") finishBuild(draft, job, verdict, now);
}

function again(draft: Draft, job: JobRow, notBefore: number): JobRow {
  const { kind, system, features, retries } = job;
  return draft.newJob({
    kind,
    system,
    features,
    retries: retries + 1,
    notBefore,
  });
}

function finishEvaluation(draft: Draft, job: JobRow, verdict: Verdict, now: number): void {
  if (retried(verdict.kind) && mayRetry(draft, job)) again(draft, job, now + PAUSE.job);
  else if (draft.run.phase === "evaluating") draft.run.evaluation ??= verdict;
}

function finishBuild(draft: Draft, job: JobRow, verdict: Verdict, now: number): void {
  const left = [...draft.derivations()].filter(
    ({ job: owner, state }) => owner === job.number && state === "leased",
  );
  if (left.length === 0) return;
  // A job that says it did everything and said nothing about these kept them back, or did not do them.
  const unsaid = verdict.kind === "succeeded";
  if ((unsaid || retried(verdict.kind)) && mayRetry(draft, job)) {
    const next = again(draft, job, now + (unsaid ? PAUSE.derivation : PAUSE.job));
    for (const derivation of left) draft.move(derivation, "leased", next.number);
    return;
  }
  const rest: Verdict = unsaid
    ? {
        kind: "infrastructure",
        message: "The runner finished the job without a result for this attribute.",
        logTail: "",
      }
    : verdict;
  for (const derivation of left) draft.judgeDerivation(derivation, rest, 0, null, false);
}
