import { type JobRow, noRunner, queued } from "../../../core/run/index.ts";
import type { Work } from "../../../protocol/specification.ts";
import type { QueuedJob } from "../contracts.ts";
import { commit, type Context, fleet, header } from "./context.ts";
import { baseSource } from "./base.ts";
import { nearTo } from "./deploy/near.ts";
import { machineWork } from "./deploy/work.ts";
import { impactWork } from "./impact.ts";
import type { Header } from "./rows.ts";

/** Hands new jobs to the Fleet, those whose time has come. */
export async function enqueue(context: Context): Promise<number | null> {
  const run = header(context);
  for (const job of context.store.jobs("state = 'new' AND not_before <= ?", context.now())) {
    const answer = await fleet(context, run).enqueue(
      run.identity.account.id,
      await nearTo(context, run, queuedJob(context, run, job)),
    );
    const { store } = context;
    commit(context, () => {
      if (answer.outcome !== "no-runner")
        return queued(store.slice({ jobs: store.jobs("number = ?", job.number) }), job.number);
      return noRunner(
        store.slice({
          jobs: store.jobs("number = ?", job.number),
          ...leasedBy(context, job.number),
        }),
        job.number,
        answer.missing,
      );
    });
  }
  const [left] = context.store.sql
    .exec<{ at: number | null }>("SELECT min(not_before) AS at FROM job WHERE state = 'new'")
    .toArray();
  return left?.at == null ? null : Math.max(left.at, context.now());
}

/** The job as the Fleet takes it. */
export function queuedJob(context: Context, run: Header, job: JobRow): QueuedJob {
  const { pool, evaluator } = context.store.run();
  if (pool === null || run.policy === null)
    throw new Error(`run ${run.id} has a job and was never admitted`);
  return {
    job: `${run.id}.${job.number}`,
    run: run.id,
    kind: job.kind,
    installation: run.identity.installation,
    repository: run.identity.repository,
    pool,
    policy: run.policy,
    needs: { system: job.system, features: job.features },
    // The derivations are in its store, and outputs too unless others built them.
    prefer: job.kind === "evaluate" ? null : evaluator,
    exchange: job.kind === "build" ? run.exchange : null,
    work: workOf(context, run, job),
    queuedAt: context.now(),
  };
}

/** Tells the Fleet about jobs that are not wanted any more. */
export async function cancel(context: Context): Promise<number | null> {
  const run = header(context);
  for (const job of context.store.jobs("cancel IS NOT NULL")) {
    await fleet(context, run).cancel(`${run.id}.${job.number}`, job.cancel ?? "cancelled");
    context.store.sql.exec("UPDATE job SET cancel = NULL WHERE number = ?", job.number);
  }
  return null;
}

/** Derivations that a job leases, and their attributes. */
export function leasedBy(
  { store }: Context,
  job: number,
): ReturnType<Context["store"]["withAttributes"]> {
  return store.withAttributes(store.derivations("job = ? AND state = 'leased'", job));
}

function workOf(context: Context, run: Header, job: JobRow): Work {
  if (job.kind === "plan" || job.kind === "observe" || job.kind === "deploy")
    return machineWork(context, run, job);
  const { source, selections, limits } = run;
  if (source === null || limits === null) throw new Error(`run ${run.id} has a job and no source`);
  if (job.aside === "base")
    return { kind: "evaluate", source: baseSource(run, false), selections, limits };
  if (job.aside === "impact") return impactWork(context, run, { source, selections, limits });
  if (job.kind === "evaluate") return { kind: "evaluate", source, selections, limits };
  const derivations = context.store
    .derivations("job = ? AND state = 'leased' ORDER BY since, rowid", job.number)
    .map(({ selection, path, drv }) => ({ selection, path, drv }));
  return { kind: "build", source, selections, derivations, limits };
}
