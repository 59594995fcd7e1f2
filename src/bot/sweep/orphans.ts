import { closing, ORPHANED_AFTER } from "../../core/sweep/orphans.ts";
import type { Environment } from "../environment.ts";
import { objectName } from "../objects/contracts.ts";

/** Runs of an installation that one sweep looks after. */
const MOST = 20;

/**
 * Runs that their repository takes for active and that are not there any more: they were lost after their last word to
 * GitHub and before the one to it, and would be waited for as long as there is the repository.
 */
export async function endLost(env: Environment, repository: number, now: number): Promise<void> {
  const repo = env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository));
  for (const run of await repo.begun(now - ORPHANED_AFTER)) {
    if ((await env.RUN.getByName(objectName.run(env.GITHUB_HOST, run)).view()) !== null) continue;
    const as = closing(null, now)?.conclusion ?? "action_required";
    await repo.finished(run, as);
    console.error(JSON.stringify({ what: "a lost run is ended", run, as }));
  }
}

/**
 * Checks that turn at GitHub although their run is over, or not there any more: closed with the truth.
 *
 * @returns how many runs had some.
 */
export async function closeOrphans(
  env: Environment,
  installation: number,
  now: number,
): Promise<number> {
  const writer = env.WRITER.getByName(objectName.writer(env.GITHUB_HOST, installation));
  let closed = 0;
  for (const run of await writer.turning(now - ORPHANED_AFTER, MOST, Math.floor(now / 60_000))) {
    const view = await env.RUN.getByName(objectName.run(env.GITHUB_HOST, run)).view();
    const truth = closing(view, now);
    if (truth === null) continue;
    await writer.closeAll(run, truth);
    // A run that is not there will never tell its repository, which would wait for it as long as it is asked.
    const repository = Number(run.slice(0, run.indexOf("-")));
    if (view === null)
      await env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository)).finished(
        run,
        truth.conclusion,
      );
    closed += 1;
    console.error(
      JSON.stringify({ what: "orphaned checks are closed", run, as: truth.conclusion }),
    );
  }
  return closed;
}
