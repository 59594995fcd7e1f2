import type { Verdict } from "../../protocol/verdict.ts";
import { retried } from "../verdict/index.ts";
import { Draft } from "./draft.ts";
import type { Changes, JobRow, Slice } from "./rows.ts";

/** How often work whose job failed through no fault of its own is tried again without anybody asking. */
export const RETRIES = 1;

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
  Object.assign(job, { state: "running", attempt, runner });
  if (job.kind === "evaluate") draft.run.evaluator = runner;
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
  const again = retried(verdict.kind) && job.retries < RETRIES && draft.run.stopped === null;
  if (job.kind === "evaluate") finishEvaluation(draft, job, verdict, again);
  else finishBuild(draft, job, verdict, again);
  return { outcome: "applied", changes: draft.changes() };
}

/**
 * The Fleet had forgotten the job and took it for a new one. Where no attempt had been offered that is all there is to
 * it. Else its attempts would count from 1 again, below those that the run has heard of: another job takes its place.
 */
export function lost(slice: Slice, number: number): Changes {
  const draft = new Draft(slice);
  const job = draft.job(number);
  if (job === null || job.state === "finished" || job.attempt === 0) return draft.changes();
  const message = "The control plane lost track of the job.";
  const verdict: Verdict = { kind: "infrastructure", message, logTail: "" };
  draft.finishJob(job, verdict, null);
  job.cancel = message;
  const again = job.retries < RETRIES && draft.run.stopped === null;
  if (job.kind === "evaluate") finishEvaluation(draft, job, verdict, again);
  else finishBuild(draft, job, verdict, again);
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
  if (job.kind === "evaluate") finishEvaluation(draft, job, verdict, false);
  else finishBuild(draft, job, verdict, false);
  return draft.changes();
}

function finishEvaluation(draft: Draft, job: JobRow, verdict: Verdict, again: boolean): void {
  if (again)
    draft.newJob({
      kind: "evaluate",
      system: job.system,
      features: job.features,
      retries: job.retries + 1,
    });
  else if (draft.run.phase === "evaluating") draft.run.evaluation ??= verdict;
}

function finishBuild(draft: Draft, job: JobRow, verdict: Verdict, again: boolean): void {
  const left = [...draft.derivations()].filter(
    ({ job: owner, state }) => owner === job.number && state === "leased",
  );
  if (left.length === 0) return;
  if (again) {
    const next = draft.newJob({
      kind: "build",
      system: job.system,
      features: job.features,
      retries: job.retries + 1,
    });
    for (const derivation of left) draft.move(derivation, "leased", next.number);
    return;
  }
  // A job that says it did everything and said nothing about these did not do them.
  const rest: Verdict =
    verdict.kind === "succeeded"
      ? {
          kind: "infrastructure",
          message: "The runner finished the job without a result for this attribute.",
          logTail: "",
        }
      : verdict;
  for (const derivation of left) draft.judgeDerivation(derivation, rest, 0, null, false);
}
