import {
  isSource,
  rolloutConclusion,
  type RolloutNeed,
  type RolloutEvent,
  needs,
} from "../../../../core/deploy/index.ts";
import { beginMachines } from "../../../../core/run/index.ts";
import { commit, type Context, header } from "../context.ts";
import type { Header } from "../rows.ts";
import { begin, endRun, refuse } from "./begin.ts";
import { step } from "./frames.ts";
import { endLooks, looksOf } from "./looks.ts";
import { objectionsTo } from "./policy.ts";
import { type Rolling, settleJobs, told } from "./settle.ts";
import { startDeploy, startRollback } from "./start.ts";
import { machineOf, type Target, Targets } from "./targets.ts";
import { machineObject, say } from "./words.ts";

/** An observation is good enough to deploy by for so long (ms); the machine itself compares again before it is touched. */
const FRESH = 10 * 60_000;
/** What was asked of a machine's object and may have been forgotten is asked again so often (ms). */
const AGAIN = 5 * 60_000;

/**
 * What a run does with machines once everything is built: one thing after the other, each read off the rows, so that
 * whatever dies in between is taken up again. Answers when to be called again.
 */
export async function roll(context: Context): Promise<number | null> {
  for (;;) {
    const run = header(context);
    const { phase, stopped } = context.store.run();
    if (run.reason.kind !== "deploy" || phase !== "deploying" || stopped !== null) return null;
    const rolling = { context, run, reason: run.reason, targets: new Targets(context.store) };
    settleJobs(rolling);
    const next = await once({ ...rolling, run: header(context) });
    if (next !== "again") return next;
  }
}

/** `again`: something was done, and there may be more. */
async function once(rolling: Rolling): Promise<"again" | number | null> {
  const { run, reason, targets, context } = rolling;
  if (run.rollout !== null) return await carryOn(rolling, run.rollout);
  const all = targets.all();
  if (all.length === 0) return await begin(rolling);
  if (targets.errands("settled = 0").length > 0) return null;
  const { kind } = reason.what;
  if (kind === "plan" || kind === "deploy") {
    if (kind === "deploy" && look(rolling, all)) return null;
    // What builds by itself has no closure to compare: its plan is its tree.
    const closures = all.filter(({ settings }) => !isSource(settings.method));
    if (closures.some(({ plan }) => plan === null)) return await plan(rolling, closures);
    if (kind === "deploy") return await startDeploy(rolling, all);
    if (reason.pull !== null) context.tasks.at("section", context.now());
    return endRun(rolling, "success");
  }
  if (look(rolling, all)) return null;
  const dumb = all.filter(({ observed }) => observed?.kind !== "observation");
  for (const { machine, observed } of dumb)
    context.store.notice(
      `${machine} could not be looked at: ${observed?.kind === "unreachable" ? observed.why : "the job ended without a word"}`,
    );
  if (kind === "observe") return endRun(rolling, dumb.length === 0 ? "success" : "action_required");
  return await startRollback(rolling, all);
}

/** Looks at the machines that were not seen of late, each by a job of its own: their runners may be several. */
function look({ context, targets, reason }: Rolling, all: readonly Target[]): boolean {
  const now = context.now();
  const asked = new Set(targets.errands("kind = 'observe'").map(({ machine }) => machine));
  const stale = all.filter(
    ({ machine, seenAt, plan }) =>
      plan === null &&
      !asked.has(machine) &&
      (reason.what.kind !== "deploy" || seenAt === null || now - seenAt > FRESH),
  );
  for (const { machine } of stale) observe(context, targets, machine);
  return stale.length > 0;
}

function observe(context: Context, targets: Targets, machine: string): boolean {
  let job: number | null = null;
  commit(
    context,
    () => {
      const begun = beginMachines(context.store.slice(), "observe");
      job = begun.job;
      return begun.changes;
    },
    () => {
      if (job !== null)
        targets.errand({
          job,
          machine,
          kind: "observe",
          at: context.now(),
          counter: null,
          direction: null,
        });
    },
  );
  return job !== null;
}

/** A machine's object asks for it: one of its deploys was lost. */
export function lookAt(context: Context, machine: string): void {
  const targets = new Targets(context.store);
  if (
    targets.one(machine) === null ||
    targets.errands("kind = 'observe' AND settled = 0 AND machine = ?", machine).length > 0
  )
    return;
  if (observe(context, targets, machine)) return context.tasks.at("rollout", context.now());
  context.storage.transactionSync(() =>
    say(context, machine, { kind: "unreachable", why: "the run that lost it is over" }),
  );
}

/** One job for all: closures are compared where they were built. */
async function plan(rolling: Rolling, all: readonly Target[]): Promise<"again" | null> {
  const { context, targets } = rolling;
  const [earlier] = targets.errands("kind = 'plan'");
  if (earlier !== undefined) {
    const job = context.store.job(earlier.job);
    return refuse(rolling, [
      `The plan could not be made: the job ended as \`${job?.verdict?.kind ?? "unknown"}\`${told(job)}.`,
    ]);
  }
  let job: number | null = null;
  commit(
    context,
    () => {
      const begun = beginMachines(context.store.slice(), "plan");
      job = begun.job;
      return begun.changes;
    },
    () => {
      const at = context.now();
      for (const { machine } of all)
        if (job !== null)
          targets.errand({ job, machine, kind: "plan", at, counter: null, direction: null });
    },
  );
  return null;
}

/** Does what the rollout needs now, one need at a time; each comes back as an event. */
async function carryOn(
  rolling: Rolling,
  rollout: NonNullable<Header["rollout"]>,
): Promise<"again" | number | null> {
  const { context, run, targets } = rolling;
  const now = context.now();
  const slice = targets.slice(rollout);
  const wanted = needs(slice, run.id, true);
  let wake: number | null = null;
  let moved = false;
  const why = await whyNotNow(rolling, wanted);
  if (why !== null) {
    context.storage.transactionSync(() => step(context, targets, { kind: "objected", why }));
    return "again";
  }
  for (const need of wanted) {
    if (need.kind === "wake") {
      wake = Math.min(wake ?? need.at, need.at);
      continue;
    }
    const event = await perform(rolling, need);
    if (event === null) continue;
    const before = JSON.stringify(targets.one(need.machine)?.target);
    context.storage.transactionSync(() => step(context, targets, event));
    moved ||= JSON.stringify(targets.one(need.machine)?.target) !== before;
  }
  if (wake !== null && wake <= now) {
    context.storage.transactionSync(() => step(context, targets, { kind: "tick" }));
    return "again";
  }
  if (moved) return "again";
  const over = header(context).rollout;
  if (over?.phase === "finished" && wanted.length === 0) {
    const conclusion = rolloutConclusion(targets.slice(over));
    if (conclusion === null) throw new Error(`run ${run.id} has ended without a conclusion`);
    endLooks(context, targets);
    for (const { hostKey } of targets.all())
      await machineObject(context, run, hostKey).leave(machineOf(run, hostKey), run.id);
    return endRun(rolling, conclusion);
  }
  const looks = looksOf(context, targets);
  if (looks.length > 0) context.tasks.at("report", now);
  // What goes on tells by itself; what may have been forgotten is asked again.
  const later = looks.flatMap(({ lateAt }) => lateAt ?? []);
  return Math.min(...later, wake ?? now + AGAIN, now + AGAIN);
}

/**
 * What keeps those from being begun whose turn it is, as GitHub has it at this moment: a turn may have been waited for, and
 * the head may have moved. What goes back is kept by nothing.
 */
async function whyNotNow(
  { context, run, reason, targets }: Rolling,
  wanted: readonly RolloutNeed[],
): Promise<string | null> {
  if (reason.what.kind !== "deploy") return null;
  const turns = wanted.flatMap((need) =>
    need.kind === "deploy" && need.direction === "forward" ? [need.machine] : [],
  );
  const machines = turns.flatMap((machine) => targets.one(machine)?.settings ?? []);
  if (machines.length === 0) return null;
  // The order of stages was judged when it began, and is the rollout's own from there on.
  const goesOn = targets.errands("kind = 'deploy'").length > 0;
  const found = await objectionsTo(context, run, machines, [], goesOn);
  return found.length === 0 ? null : found.map(({ why }) => why).join(" ");
}

async function perform(
  rolling: Rolling,
  need: Exclude<RolloutNeed, { kind: "wake" }>,
): Promise<RolloutEvent | null> {
  const { context, run, targets, reason } = rolling;
  const { machine, key } = need;
  const target = targets.one(machine);
  if (target === null || target.target === null)
    throw new Error(`no machine ${machine} in ${run.id}`);
  const object = machineObject(context, run, target.hostKey);
  const of = machineOf(run, target.hostKey);
  switch (need.kind) {
    case "ask": {
      const back = target.target.direction === "back";
      const turn = await object.ask(of, {
        key,
        run: run.id,
        machine,
        owner: { repository: of.repository, pull: reason.pull, by: run.sender.login },
        purpose: back || reason.what.kind === "rollback" ? "rollback" : "deploy",
        method: target.settings.method,
        sha: run.head,
        system: back ? target.target.before : target.target.system,
        expected: back || reason.what.kind === "rollback" ? null : target.running,
        force: reason.what.kind === "deploy" && reason.what.force,
      });
      switch (turn.kind) {
        case "granted":
          return { kind: "granted", machine, counter: turn.counter };
        case "waiting":
          return { kind: "queued", machine };
        case "refused":
          return { kind: "refused", machine, refusal: turn.refusal };
        case "ended":
          return { kind: "settled", machine, outcome: turn.outcome };
      }
      break;
    }
    case "withdraw": {
      const { begun } = await object.withdraw(of, key);
      return begun === null
        ? { kind: "withdrawn", machine }
        : { kind: "granted", machine, counter: begun };
    }
    case "deploy":
      return deploy(rolling, need);
    case "lose":
      await object.lose(of, key, need.step);
      return null;
    case "end":
      await object.end(of, key, need.counter, need.outcome);
      return { kind: "told", machine };
  }
}

/** The job is made in the transaction that says so: it is made once. */
function deploy(
  { context, run, targets }: Rolling,
  { machine, counter, direction }: Extract<RolloutNeed, { kind: "deploy" }>,
): null {
  let job: number | null = null;
  commit(
    context,
    () => {
      const begun = beginMachines(context.store.slice(), "deploy");
      job = begun.job;
      return begun.changes;
    },
    () => {
      if (job === null) throw new Error(`run ${run.id} may begin no deploy any more`);
      targets.errand({ job, machine, kind: "deploy", at: context.now(), counter, direction });
      step(context, targets, { kind: "begun", machine, counter });
    },
  );
  return null;
}
