import { renderCheckRunEvent, renderCheckSuite } from "./render/check.ts";
import type { Account, CheckRun, CheckSuite, Conclusion, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** One check suite per App and commit, made when a push brings the commit or the first check run asks for it. */
export function suiteFor(
  world: World,
  repo: Repository,
  appId: number,
  sha: string,
  from: { branch: string | null; before: string | null },
): { suite: CheckSuite; fresh: boolean } {
  const known = [...world.checkSuites.values()].find(
    (one) => one.repoId === repo.id && one.appId === appId && one.headSha === sha,
  );
  if (known) return { suite: known, fresh: false };
  const suite: CheckSuite = {
    id: world.nextId(),
    repoId: repo.id,
    appId,
    headSha: sha,
    headBranch: from.branch,
    before: from.before,
    status: "queued",
    conclusion: null,
    createdAt: world.stamp(),
    updatedAt: world.stamp(),
  };
  world.checkSuites.set(suite.id, suite);
  return { suite, fresh: true };
}

/** Only the App that owns the suite hears `requested` and `rerequested`. */
export async function emitSuiteRequested(
  world: World,
  suite: CheckSuite,
  sender: Account,
  action: "requested" | "rerequested" = "requested",
): Promise<void> {
  const repo = world.repository(suite.repoId);
  world.hooks.emit(
    repo,
    {
      event: "check_suite",
      action,
      payload: { check_suite: await suiteEvent(world, suite) },
      sender,
    },
    suite.appId,
  );
}

async function suiteEvent(world: World, suite: CheckSuite) {
  const { repository: _, ...rest } = await renderCheckSuite(world, suite);
  return rest;
}

export function emitCheckRun(
  world: World,
  run: CheckRun,
  action: "created" | "completed" | "rerequested" | "requested_action",
  sender: Account,
  extra: Record<string, unknown> = {},
): void {
  const alone = action === "rerequested" || action === "requested_action";
  const payload = { check_run: renderCheckRunEvent(world, run), ...extra };
  world.hooks.emit(
    world.repository(run.repoId),
    { event: "check_run", action, payload, sender },
    alone ? run.appId : undefined,
  );
}

/** Of each name the newest, as branch protection and the pages see them. */
export function latestRuns(runs: Iterable<CheckRun>): CheckRun[] {
  const latest = new Map<string, CheckRun>();
  for (const run of runs) {
    const key = `${run.appId} ${run.name}`;
    const known = latest.get(key);
    if (!known || known.id < run.id) latest.set(key, run);
  }
  return [...latest.values()];
}

/** The worst first: what a suite of runs that end so concludes with. */
const worst: Conclusion[] = [
  "action_required",
  "failure",
  "timed_out",
  "cancelled",
  "stale",
  "success",
  "neutral",
  "skipped",
];

/** Rolls a suite up after one of its runs has changed; tells its App when it is complete. */
export async function rollUp(world: World, suiteId: number, sender: Account): Promise<void> {
  const suite = world.checkSuites.get(suiteId);
  if (!suite) throw new Error(`no check suite ${suiteId}`);
  const runs = latestRuns([...world.checkRuns.values()].filter((run) => run.suiteId === suiteId));
  const done = runs.length > 0 && runs.every((run) => run.status === "completed");
  const was = suite.status;
  suite.status = done
    ? "completed"
    : runs.some((run) => run.status !== "queued")
      ? "in_progress"
      : "queued";
  suite.conclusion = done
    ? (worst.find((one) => runs.some((run) => run.conclusion === one)) ?? null)
    : null;
  suite.updatedAt = world.stamp();
  if (done && was !== "completed") {
    const payload = { check_suite: await suiteEvent(world, suite) };
    const repo = world.repository(suite.repoId);
    world.hooks.emit(
      repo,
      { event: "check_suite", action: "completed", payload, sender },
      suite.appId,
    );
  }
  await world.checksChanged(suite.repoId, suite.headSha);
}
