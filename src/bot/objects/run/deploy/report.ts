import {
  DEPLOY_CHECKS,
  isSource,
  migrationsLeft,
  rolloutCheck,
} from "../../../../core/deploy/index.ts";
import type { DeployReason } from "../../../../core/repo/request.ts";
import { buttonsOf } from "../../../../core/command/registry.ts";
import { type CheckBody, code } from "../../../../core/report/index.ts";
import type { Verdict } from "../../../../protocol/verdict.ts";
import type { Context } from "../context.ts";
import { logPage, pageOf } from "../links.ts";
import type { Header } from "../rows.ts";
import { concluded } from "../summary.ts";
import { looksOf } from "./looks.ts";
import { planOf } from "./plan.ts";
import { type Target, Targets } from "./targets.ts";

/** The one check of a run for machines: what each is at. It is never the check that a merge waits for. */
export function deployCheck(
  context: Context,
  run: Header,
  reason: DeployReason,
): { name: string; body: CheckBody } {
  const name = DEPLOY_CHECKS[reason.what.kind];
  const targets = new Targets(context.store);
  const over = context.store.run().phase === "finished";
  if (run.rollout === null) return { name, body: before(context, run, reason, targets.all()) };
  const slice = targets.slice(run.rollout);
  const body = rolloutCheck({
    ...slice,
    purpose: reason.what.kind === "rollback" ? "rollback" : "deploy",
    sha: run.head,
    ref: reason.ref,
    by: run.sender.login,
    plan:
      reason.what.kind === "rollback" ? null : planOf(context, run, targets.all(), slice.stages),
    notices: [...context.store.notices(), ...migrationsLeft(targets.all())],
    logs: logsOf(context, run, targets),
    looks: new Map(looksOf(context, targets).map(({ machine, look }) => [machine, look])),
    seconds: ((run.finishedAt ?? context.now()) - run.createdAt) / 1_000,
    url: pageOf(context.env.PUBLIC_URL, run.id),
  });
  if (!over || body.conclusion !== null) return { name, body };
  // The run ended before its rollout did: at its limit.
  return {
    name,
    body: { ...body, status: "completed", conclusion: concluded(context), actions: [] },
  };
}

function missing(verdict: Verdict | null): string[] {
  return verdict?.kind === "no-runner" ? verdict.missing.map((one) => `There is not ${one}.`) : [];
}

/** Until there is a rollout, and where there never is one. */
function before(
  context: Context,
  run: Header,
  reason: DeployReason,
  targets: readonly Target[],
): CheckBody {
  const { phase, stopped, evaluation } = context.store.run();
  const over = phase === "finished";
  const conclusion = over ? concluded(context) : null;
  const problems = [
    ...(stopped !== null && "message" in stopped ? [stopped.message] : []),
    ...missing(stopped),
    ...missing(evaluation),
    ...(evaluation !== null && evaluation.kind !== "succeeded" && evaluation.kind !== "no-runner"
      ? [`The evaluation ended as ${evaluation.kind}.`]
      : []),
    ...context.store.notices(),
  ];
  const planned =
    targets.length > 0 &&
    targets.every(({ plan, settings }) => plan !== null || (over && isSource(settings.method)));
  return {
    status: over ? "completed" : phase === "preparing" ? "queued" : "in_progress",
    conclusion,
    title: over
      ? conclusion === "success"
        ? `${targets.length} ${targets.length === 1 ? "machine" : "machines"}: ${DONE[reason.what.kind]}`
        : "Nothing was changed"
      : GOES_ON[phase],
    summary: [
      `Commit ${code(run.head)}, asked for by ${code(run.sender.login)}.`,
      // Texts of runners, of Nix and of the configuration are among them.
      ...problems.map((one) => `- ${code(one, 1_000)}`),
    ].join("\n"),
    text: planned ? planOf(context, run, targets, []) : null,
    annotations: [],
    actions: over ? [] : buttonsOf("cancel"),
  };
}

const DONE = {
  plan: "planned",
  deploy: "deployed",
  rollback: "taken back",
  observe: "seen",
} as const;
const GOES_ON = {
  preparing: "Preparing",
  "waiting-approval": "Waits for an approval",
  evaluating: "Evaluating",
  building: "Building",
  deploying: "Looking and planning",
  finished: "Over",
} as const;

/** The newest deploy's log of each machine. */
function logsOf({ env, store }: Context, run: Header, targets: Targets): Map<string, string> {
  return new Map(
    targets.errands("kind = 'deploy'").flatMap(({ job, machine }) => {
      const attempt = store.job(job)?.attempt ?? 0;
      if (attempt === 0) return [];
      const place = { job: `${run.id}.${job}`, attempt, stream: "job" };
      return [[machine, logPage(env.PUBLIC_URL, place)] as const];
    }),
  );
}
