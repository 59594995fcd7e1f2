import type { Environment } from "../environment.ts";
import { allowedAccounts } from "../github/allowed.ts";
import { objectName } from "../objects/contracts.ts";
import { indexedRun, statement } from "./index.ts";

/** Runs of each repository that the rebuilt index lists; pages show no more. */
const MOST_RUNS = 200;
/** Objects asked at once, and rows in one D1 batch. */
const AT_ONCE = 16;

/** Empties the index and fills it from the objects. Runs that finish meanwhile write their own line, which stays. */
export async function rebuildIndex(
  env: Environment,
): Promise<{ accounts: number; repositories: number; runs: number }> {
  const accounts = [...allowedAccounts(env.ALLOWED_ACCOUNTS)];
  const counted = { accounts: accounts.length, repositories: 0, runs: 0 };
  await env.INDEX.prepare("DELETE FROM runs").run();
  for (const account of accounts) {
    for (const repository of await env.ACCOUNT.getByName(
      objectName.account(env.GITHUB_HOST, account),
    ).repositories()) {
      counted.repositories += 1;
      const runs = await env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository.id)).runs(
        MOST_RUNS,
      );
      for (let at = 0; at < runs.length; at += AT_ONCE) {
        const views = await Promise.all(
          runs
            .slice(at, at + AT_ONCE)
            .map((run) => env.RUN.getByName(objectName.run(env.GITHUB_HOST, run)).view()),
        );
        const rows = views.flatMap((view) => {
          if (view === null) return [];
          // Name and visibility as they are now, not as they were when the run began.
          return [
            {
              ...indexedRun(view),
              owner: repository.owner,
              name: repository.name,
              private: repository.private,
            },
          ];
        });
        counted.runs += rows.length;
        if (rows.length > 0) await env.INDEX.batch(rows.map((row) => statement(env.INDEX, row)));
      }
    }
  }
  return counted;
}
