import { setTimeout } from "node:timers/promises";
import type { CheckRun, Repository } from "../../github/index.ts";
import type { Stack } from "../../support/stack.ts";
import type { Files } from "./many.ts";

const LOOK_EVERY = 5;
/** A run that takes longer hangs (ms): 50,000 attributes on a slow machine take an hour. */
const PATIENCE = 3 * 3_600_000;

export interface TimedRun {
  readonly head: string;
  /** From the moment the double sends the push until all of its checks are completed. */
  readonly seconds: number;
  readonly conclusion: string;
  readonly checks: readonly CheckRun[];
}

/** A push to the default branch, and the wait for all checks of its commit. */
export async function timedRun(
  { github, accounts, runner, worker }: Stack,
  repository: Repository,
  files: Files,
  message: string,
): Promise<TimedRun> {
  const head = await github.commit(repository, { as: accounts.owner, files, message });
  const began = deliveredAt(github.deliveries(), repository.id, head);
  for (const until = began + PATIENCE; ;) {
    const checks = github.checkRuns(repository, head);
    const overall = checks.findLast(({ name }) => name === "snowcat");
    if (overall?.status === "completed" && checks.every(({ status }) => status === "completed"))
      return {
        head,
        seconds: (Date.now() - began) / 1_000,
        conclusion: overall.conclusion ?? "none",
        checks,
      };
    if (Date.now() > until || !runner.alive())
      throw new Error(
        [
          `the checks of ${repository.name} ${head} do not come to an end`,
          ...checks.map(({ name, status, output }) => `${name}: ${status} ${output.title ?? ""}`),
          ...runner.lines.slice(-20),
          ...worker.log.slice(-20),
        ].join("\n"),
      );
    await setTimeout(LOOK_EVERY);
  }
}

/** Throws unless the run ended as it should, with what its overall check says. */
export function expectConclusion(run: TimedRun, wanted: "success" | "failure"): void {
  if (run.conclusion === wanted) return;
  const overall = run.checks.findLast(({ name }) => name === "snowcat");
  throw new Error(
    `the run ended with ${run.conclusion}, not ${wanted}: ${overall?.output.title ?? ""}\n${overall?.output.summary ?? ""}`,
  );
}

function deliveredAt(
  deliveries: ReturnType<Stack["github"]["deliveries"]>,
  repository: number,
  head: string,
): number {
  const push = deliveries.findLast(
    (one) =>
      one.event === "push" && one.repositoryId === repository && one.payload.includes(`"${head}"`),
  );
  if (push === undefined) throw new Error(`no push of ${head} was delivered`);
  return push.sentAt;
}
