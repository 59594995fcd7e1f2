import type { RolloutEvent } from "../../../../core/deploy/index.ts";
import type { DeployReason } from "../../../../core/repo/request.ts";
import type { JobRow } from "../../../../core/run/index.ts";
import type { MachineOutcome } from "../../../../protocol/machine.ts";
import type { Context } from "../context.ts";
import type { Header } from "../rows.ts";
import { step } from "./frames.ts";
import type { Errand, Targets } from "./targets.ts";
import { say } from "./words.ts";

/** A run for machines, and its rows. */
export type Rolling = { context: Context; run: Header; reason: DeployReason; targets: Targets };

/** What follows from jobs that are over. */
export function settleJobs({ context, targets }: Rolling): void {
  for (const errand of targets.errands("settled = 0")) {
    const job = context.store.job(errand.job);
    if (job?.state !== "finished") continue;
    context.storage.transactionSync(() => {
      targets.mark("settled", errand.job, errand.machine);
      if (errand.heard) return;
      if (errand.kind === "deploy") unheard(context, targets, errand, job);
      else if (errand.kind === "observe")
        say(context, errand.machine, {
          kind: "unreachable",
          why: why(job),
        });
    });
  }
}

/** A deploy job ended, and nobody said how its machine did. */
function unheard(context: Context, targets: Targets, errand: Errand, job: JobRow): void {
  const { machine, counter } = errand;
  if (counter === null) return;
  // Only what was never handed out is known to have done nothing.
  const outcome: MachineOutcome = {
    kind: "failed-untouched",
    step: "begin",
    why: why(job),
    running: null,
  };
  const event: RolloutEvent =
    job.attempt === 0
      ? { kind: "ended", machine, counter, outcome }
      : { kind: "lost", machine, counter, why: why(job) };
  step(context, targets, event);
}

/** How a job ended that did not say what it was for. */
export function why(job: JobRow | null): string {
  const verdict = job?.verdict ?? null;
  const missing =
    verdict?.kind === "no-runner" ? `: there is not ${verdict.missing.join(", ")}` : "";
  return `the job ended as ${verdict?.kind ?? "nothing"}${told(job)}${missing}`.slice(0, 4_096);
}

export function told(job: JobRow | null): string {
  return job?.verdict != null && "message" in job.verdict ? `: ${job.verdict.message}` : "";
}
