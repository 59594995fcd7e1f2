import { stepRollout, ticketKey } from "../../../../core/deploy/index.ts";
import type { ToRun } from "../../../../protocol/data.ts";
import { type Context, header } from "../context.ts";
import { type Errand, type Target, Targets } from "./targets.ts";
import { say } from "./words.ts";

/** Steps follow each other fast: of those within this time (ms) the last is told. */
const SAID = 1_500;

/**
 * What a job of each kind is for. Once that is told, its end says nothing more of the machine; whatever else it tells on its way
 * (a deploy looks before it begins) leaves open how it ended.
 */
const ANSWER: Readonly<Record<Errand["kind"], MachineNews["kind"]>> = {
  plan: "planned",
  observe: "observed",
  deploy: "deployed",
};

export type MachineNews = Extract<ToRun, { kind: "planned" | "observed" | "step" | "deployed" }>;

/** Looked at before anything of it is committed: why it does not count, null where it does. */
export function refusedNews({ store }: Context, job: number, news: MachineNews): string | null {
  const about = new Targets(store).of(job);
  const name = nameOf(news);
  const target = about.find(({ machine }) => machine === name);
  if (target === undefined) return `the job is not about a machine ${name}`;
  if (news.kind === "observed" && news.machine.hostKey !== target.hostKey)
    return `the machine ${name} of this job has another host key`;
  return null;
}

/** What a runner says of a machine of its job. Synchronous, in the transaction of the frame. */
export function takeNews(context: Context, job: number, news: MachineNews): void {
  const { store, storage, tasks, now } = context;
  storage.transactionSync(() => {
    const targets = new Targets(store);
    const target = targets.one(nameOf(news));
    const [errand] = targets.errands("job = ? AND machine = ?", job, nameOf(news));
    if (target === null || errand === undefined) return;
    switch (news.kind) {
      case "planned":
        targets.planned(news.plan);
        break;
      case "observed":
        observed(context, targets, target, news, errand.at);
        break;
      case "step":
        if (errand.counter !== null && errand.direction !== null) {
          const { counter, direction, machine } = errand;
          step(context, targets, { kind: "step", machine, counter, step: news.step });
          const key = ticketKey(header(context).id, machine, direction);
          say(context, machine, { kind: "heard", key, counter, step: news.step });
        }
        return;
      case "deployed":
        if (errand.counter !== null) {
          const { counter, machine } = errand;
          step(context, targets, { kind: "ended", machine, counter, outcome: news.outcome });
        }
        break;
    }
    if (news.kind === ANSWER[errand.kind]) targets.mark("heard", job, target.machine);
    tasks.at("rollout", now());
  });
}

function observed(
  context: Context,
  targets: Targets,
  { machine }: Target,
  { result }: Extract<MachineNews, { kind: "observed" }>,
  since: number,
): void {
  targets.observed(machine, result);
  if (result.kind === "unreachable")
    return say(context, machine, { kind: "unreachable", why: result.why });
  const { observation } = result;
  targets.seen(machine, observation.system, context.now());
  say(context, machine, { kind: "observed", observation, since });
}

/** What an event does to the rollout, if there is one; in the caller's transaction. */
export function step(
  context: Context,
  targets: Targets,
  event: Parameters<typeof stepRollout>[1],
): void {
  const { rollout } = header(context);
  if (rollout === null) return;
  const changes = stepRollout(targets.slice(rollout), event, context.now());
  const moved =
    changes.targets.length > 0 || JSON.stringify(changes.rollout) !== JSON.stringify(rollout);
  if (!moved) return;
  targets.save(changes);
  context.tasks.at("rollout", context.now());
  // What is said to people is said when it is over, or every so often.
  for (const task of ["report", "deployments"] as const)
    context.tasks.at(task, context.now() + SAID);
}

function nameOf(news: MachineNews): string {
  switch (news.kind) {
    case "planned":
      return news.plan.machine;
    case "observed":
      return news.machine.name;
    case "step":
    case "deployed":
      return news.machine;
  }
}
