import {
  type DeployMachine,
  isSource,
  planSection,
  type ShownPlan,
  type StageRow,
  toolWords,
} from "../../../../core/deploy/index.ts";
import { code } from "../../../../core/report/index.ts";
import type { Context } from "../context.ts";
import { pageOf } from "../links.ts";
import type { Header } from "../rows.ts";
import { type Target, Targets } from "./targets.ts";

/** What would change, or was to: by the plan of this run. */
export function planOf(
  context: Context,
  run: Header,
  targets: readonly Target[],
  stages: readonly StageRow[],
  limit?: number,
): string {
  const machines = targets.map(
    ({ machine, settings, plan, target, running, seenAt, observed }): ShownPlan => ({
      machine,
      stage: target === null || stages.length < 2 ? null : (stages[target.stage]?.label ?? null),
      method: settings.method,
      plan,
      source: sourceOf(run, settings, running),
      why: plan === null ? "the job that was to plan it said nothing of it" : null,
      observedAt: seenAt,
      updaters: observed?.kind === "observation" ? observed.observation.updaters : [],
      backup: settings.backup !== null,
      inTheWay: settings.problems.map((one) => `${code(machine)}: ${code(one, 500)}`),
    }),
  );
  const planned = run.reason.kind === "deploy" && run.reason.what.kind === "plan";
  const view = {
    sha: run.head,
    machines,
    inTheWay: [],
    command: planned
      ? `/deploy ${targets.map(({ machine }) => machine).join(" ")} ${run.head}`
      : null,
    now: context.now(),
    url: pageOf(context.env.PUBLIC_URL, run.id),
  };
  return planSection(view, limit);
}

/** The plan as the pull request's comment has it, in so many bytes. */
export function planFor(context: Context, run: Header, limit: number): string {
  return planOf(context, run, new Targets(context.store).all(), [], limit);
}

/** What a machine builds from by itself; its tool is named by its method where it cannot be called. */
function sourceOf(
  { source, reason }: Header,
  { method, tool }: DeployMachine,
  running: string | null,
): ShownPlan["source"] {
  if (!isSource(method) || source === null) return null;
  const prune = reason.kind === "deploy" && "prune" in reason.what && reason.what.prune === true;
  const called = tool?.kind === "kubernetes" ? { ...tool, prune } : (tool ?? null);
  return { tree: source.tree, by: called === null ? method : toolWords(called), running };
}
