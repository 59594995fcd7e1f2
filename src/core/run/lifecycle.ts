import type { Pool } from "../../protocol/identifiers.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { Draft } from "./draft.ts";
import type { Conclusion } from "../verdict/index.ts";
import type { Aside, Changes, JobRow, Rules, RunRow, Slice } from "./rows.ts";

export function newRun(fresh: boolean): RunRow {
  return {
    phase: "preparing",
    pool: null,
    rules: { systems: [], set: ["*"] },
    attributes: 0,
    pending: 0,
    required: 0,
    requiredSucceeded: 0,
    unreplayable: 0,
    jobs: 0,
    openJobs: 0,
    openDerivations: 0,
    evaluation: null,
    stopped: null,
    evaluator: null,
    fresh,
    rollout: "none",
  };
}

/** What stands before the first job: admitted with what to do, or a verdict instead. */
export type Admission =
  /** `deploys`: what is built is for machines, see `beginMachines`. */
  | { kind: "evaluate"; pool: Pool; rules: Rules; deploys?: boolean }
  /** The tree was judged before: rows follow by `replayed`, no job is made. */
  | { kind: "replay"; pool: Pool; rules: Rules }
  /** Nothing is evaluated: machines are looked at, or taken back to what they have. */
  | { kind: "machines"; pool: Pool }
  | { kind: "refuse"; verdict: Verdict };

/** Preparation is over. A run that is past it (stopped meanwhile, or admitted before) does not change. */
export function admit(slice: Slice, admission: Admission): Changes {
  const draft = new Draft(slice);
  const { run } = draft;
  if (run.phase !== "preparing" && run.phase !== "waiting-approval") return draft.changes();
  if (admission.kind === "refuse") {
    run.stopped = admission.verdict;
    run.phase = admission.verdict.kind === "needs-approval" ? "waiting-approval" : "finished";
    return draft.changes();
  }
  run.stopped = null;
  run.pool = admission.pool;
  if (admission.kind === "machines") {
    run.rollout = "open";
    run.phase = "deploying";
    run.evaluation = { kind: "succeeded", reused: true };
    return draft.changes();
  }
  run.rules = admission.rules;
  run.phase = "evaluating";
  if (admission.kind === "evaluate" && admission.deploys === true) run.rollout = "open";
  if (admission.kind === "evaluate")
    draft.newJob({ kind: "evaluate", system: null, features: [], retries: 0 });
  return draft.changes();
}

/** Cancelled or superseded: no new work; `sweep` gives the verdict to what has none, in slices of attributes. */
export function stop(
  slice: Slice,
  verdict: Extract<Verdict, { kind: "cancelled" | "superseded" }>,
): Changes {
  const draft = new Draft(slice);
  const { run } = draft;
  // What goes on beside a run that is over is not wanted any more either.
  if (run.phase === "finished") {
    end(
      draft,
      slice.jobs.filter(({ aside }) => aside !== null),
      verdict,
    );
    return draft.changes();
  }
  if (run.stopped !== null && run.phase !== "waiting-approval") return draft.changes();
  run.stopped = verdict;
  if (run.phase === "preparing" || run.phase === "waiting-approval") run.phase = "finished";
  end(draft, slice.jobs, verdict);
  return draft.changes();
}

/** Begins work beside the run; nothing once the run was stopped. */
export function beginAside(slice: Slice, aside: Aside): Changes {
  const draft = new Draft(slice);
  if (draft.run.stopped !== null) return draft.changes();
  const kind = aside === "base" ? "evaluate" : "impact";
  draft.newJob({ kind, aside, system: null, features: [], retries: 0 });
  return draft.changes();
}

/** Work beside the run has taken too long. */
export function endAside(slice: Slice, by: string): Changes {
  const draft = new Draft(slice);
  end(
    draft,
    slice.jobs.filter(({ aside }) => aside !== null),
    { kind: "cancelled", by },
  );
  return draft.changes();
}

function end(
  draft: Draft,
  jobs: readonly JobRow[],
  verdict: Extract<Verdict, { kind: "cancelled" | "superseded" }>,
): void {
  for (const { number } of jobs) {
    const job = draft.job(number);
    if (job === null || job.state === "finished") continue;
    // One that the Fleet has not heard of needs no cancelling.
    if (job.state !== "new") job.cancel = describe(verdict);
    draft.finishJob(job, verdict, null);
  }
}

/** The next slice of a stopped run: its attributes and derivations without verdict. */
export function sweep(slice: Slice): Changes {
  const draft = new Draft(slice);
  const { stopped } = draft.run;
  if (stopped === null) return draft.changes();
  for (const derivation of draft.derivations())
    draft.judgeDerivation(derivation, stopped, 0, null, false);
  for (const attribute of draft.attributes()) draft.judge(attribute, stopped, 0, null);
  return draft.changes();
}

/** Nothing is put on a machine unless everything that was to be built is; what builds by itself asks for nothing. */
function deploys(run: RunRow): boolean {
  const { rollout, stopped, evaluation, required, requiredSucceeded, rules } = run;
  return (
    rollout === "open" &&
    stopped === null &&
    evaluation?.kind === "succeeded" &&
    (required > 0 || rules.set.length === 0) &&
    required === requiredSucceeded
  );
}

/** A job about machines: it plans, looks or deploys. Nothing once the run was stopped or what it does is over. */
export function beginMachines(
  slice: Slice,
  kind: "plan" | "observe" | "deploy",
): { changes: Changes; job: number | null } {
  const draft = new Draft(slice);
  const { phase, stopped } = draft.run;
  if (phase !== "deploying" || stopped !== null) return { changes: draft.changes(), job: null };
  const { number } = draft.newJob({ kind, system: null, features: [], retries: 0 });
  return { changes: draft.changes(), job: number };
}

/** What the run did with machines is over. */
export function endMachines(slice: Slice, conclusion: Conclusion): Changes {
  const draft = new Draft(slice);
  if (draft.run.phase === "deploying") draft.run.rollout = conclusion;
  return draft.changes();
}

/** Ends the run once nothing is open; says where the run stands otherwise. */
export function settle(slice: Slice): Changes {
  const draft = new Draft(slice);
  const { run } = draft;
  if (run.phase === "evaluating" && run.evaluation !== null) run.phase = "building";
  const open = run.pending > 0 || run.openJobs > 0 || run.openDerivations > 0;
  const over = run.evaluation !== null || run.stopped !== null;
  if ((run.phase === "building" || run.phase === "evaluating") && over && !open)
    run.phase = deploys(run) ? "deploying" : "finished";
  if (run.phase === "deploying" && !open && (run.stopped !== null || run.rollout !== "open"))
    run.phase = "finished";
  return draft.changes();
}

function describe(verdict: Extract<Verdict, { kind: "cancelled" | "superseded" }>): string {
  return verdict.kind === "cancelled"
    ? `cancelled by ${verdict.by}`
    : `superseded by ${verdict.by}`;
}
