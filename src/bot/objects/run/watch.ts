import { lost, noRunner, stop } from "../../../core/run/index.ts";
import { commit, type Context, fleet, header, WATCH } from "./context.ts";
import { nearTo } from "./deploy/near.ts";
import { leasedBy, queuedJob } from "./jobs.ts";

/** Jobs asked about in one go, the oldest; the others have their turn when these are over. */
const ASKED = 20;
/** A run that is not over by then is ended (ms): GitHub itself gives its checks up after 14 days. */
const LONGEST = 7 * 24 * 60 * 60_000;

/**
 * Jobs that the Fleet does not know any more (its storage was brought back from before, a call was lost for good)
 * would be waited for in vain. Queueing again is harmless: what it knows it answers so.
 */
export async function watch(context: Context): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  if (store.run().phase === "finished") return null;
  if (context.now() - run.createdAt > LONGEST) {
    const open = store.jobs("state <> 'finished'");
    commit(context, () =>
      stop(store.slice({ jobs: open }), { kind: "cancelled", by: "the limit of 7 days for a run" }),
    );
    return null;
  }
  for (const job of store.jobs("state NOT IN ('new', 'finished')").slice(0, ASKED)) {
    // What changes a machine is never queued twice: the Fleet is asked whether it still has it.
    if (job.kind === "deploy" && job.attempt > 0) {
      if (!(await fleet(context, run).knows(`${run.id}.${job.number}`)))
        commit(context, () =>
          lost(
            store.slice({ jobs: store.jobs("number = ?", job.number) }),
            job.number,
            context.now(),
          ),
        );
      continue;
    }
    const answer = await fleet(context, run).enqueue(
      run.identity.account.id,
      await nearTo(context, run, queuedJob(context, run, job)),
    );
    if (answer.outcome === "known") continue;
    commit(context, () => {
      const slice = store.slice({
        jobs: store.jobs("number = ?", job.number),
        ...leasedBy(context, job.number),
      });
      return answer.outcome === "no-runner"
        ? noRunner(slice, job.number, answer.missing)
        : lost(slice, job.number, context.now());
    });
  }
  return store.run().openJobs > 0 ? context.now() + WATCH : null;
}
