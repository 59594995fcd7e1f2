import type { Environment } from "../environment.ts";
import { allowedAccounts } from "../github/allowed.ts";
import { objectName } from "../objects/contracts.ts";
import { bringMissed } from "./deliveries.ts";
import { closeOrphans, endLost } from "./orphans.ts";

/** Repositories and runs woken in one sweep of an account: each is a request, and the next sweep is two minutes away. */
const MOST = { repositories: 20, runs: 50 } as const;

export type Swept = {
  /** Deliveries that GitHub was asked to bring again. */
  redelivered: number;
  /** Until when (Unix ms) GitHub's rate limit puts that off; null where it does not. */
  waitsUntil: number | null;
  /** Runs whose checks were left open, and are closed. */
  orphaned: number;
  woken: number;
  failed: string[];
};

/**
 * What the cron trigger does: brings back what was missed (deliveries) or lost (alarms). Each part fails by itself, and
 * says so in the log; the next sweep tries again.
 */
export async function sweep(env: Environment, now: number): Promise<Swept> {
  const swept: Swept = { redelivered: 0, waitsUntil: null, orphaned: 0, woken: 0, failed: [] };
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      swept.failed.push(what);
      console.error(
        JSON.stringify({
          what: "sweep failed",
          part: what,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
      );
    }
  };
  const wake = (what: string, object: { wake(): Promise<unknown> }) =>
    attempt(what, async () => {
      await object.wake();
      swept.woken += 1;
    });

  const host = env.GITHUB_HOST;
  const installations: number[] = [];
  for (const account of allowedAccounts(env.ALLOWED_ACCOUNTS)) {
    const object = env.ACCOUNT.getByName(objectName.account(host, account));
    await wake(`account ${account}`, object);
    await wake(`fleet ${account}`, env.FLEET.getByName(objectName.fleet(host, account)));
    await attempt(`repositories of ${account}`, async () => {
      installations.push(...(await object.installations()));
      for (const repository of await object.rotate(MOST.repositories)) {
        const repo = env.REPO.getByName(objectName.repo(host, repository));
        await wake(`repository ${repository}`, repo);
        for (const run of await repo.active())
          await wake(`run ${run}`, env.RUN.getByName(objectName.run(host, run)));
        await endLost(env, repository, now);
      }
    });
  }
  await attempt("runs", async () => {
    // Oldest first: what has hung longest needs it most. What waits for a person does not hang, and is not in the way.
    const { results } = await env.INDEX.prepare(
      "SELECT run FROM runs WHERE finished_at IS NULL AND state <> 'waiting-approval' ORDER BY created_at LIMIT ?",
    )
      .bind(MOST.runs)
      .all<{ run: string }>();
    for (const { run } of results)
      await wake(`run ${run}`, env.RUN.getByName(objectName.run(host, run)));
  });
  for (const installation of installations)
    await wake(
      `writer ${installation}`,
      env.WRITER.getByName(objectName.writer(host, installation)),
    );
  for (const installation of installations)
    await attempt(`orphans of ${installation}`, async () => {
      swept.orphaned += await closeOrphans(env, installation, now);
    });
  await attempt("missed deliveries", async () => {
    const { asked, waitsUntil } = await bringMissed(env, now);
    swept.redelivered = asked;
    swept.waitsUntil = waitsUntil;
  });
  return swept;
}
