import type { QueuedJob } from "../../contracts.ts";
import type { Context } from "../context.ts";
import type { Header } from "../rows.ts";
import { configurationOf } from "./choose.ts";
import { deployTargets, meantBefore } from "./prepare.ts";

/**
 * The job with the machines (host keys) whose runners have to be able to use what it makes; none where a plan alone is made,
 * which nobody uses. A job of no machine, and one that makes nothing for any, is as it was.
 */
export async function nearTo(context: Context, run: Header, job: QueuedJob): Promise<QueuedJob> {
  const { reason } = run;
  if (reason.kind !== "deploy" || !makesClosures(job)) return job;
  if (reason.what.kind === "plan") return { ...job, near: [] };
  if (reason.what.kind !== "deploy") return job;
  const targets = await deployTargets(context, run);
  // The same for all of a run's jobs: they stay together.
  const meant = new Set(meantBefore(configurationOf(run), reason.what.targets, targets));
  const keys = targets.flatMap(({ name, hostKey }) => (meant.has(name) ? [hostKey] : []));
  return { ...job, near: [...new Set(keys)] };
}

/** What is evaluated, built, planned, and brought to a machine from there. */
function makesClosures({ work }: QueuedJob): boolean {
  switch (work.kind) {
    case "evaluate":
    case "build":
    case "plan":
      return true;
    case "deploy":
      return work.action.kind === "system";
    case "impact":
    case "observe":
      return false;
  }
}
