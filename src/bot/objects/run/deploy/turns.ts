import { type RolloutEvent, ticketKey } from "../../../../core/deploy/index.ts";
import type { Verdict } from "../../../../protocol/verdict.ts";
import type { MachineTurn } from "../../contracts.ts";
import { type Context, header } from "../context.ts";
import { step } from "./frames.ts";
import { Targets } from "./targets.ts";

/** What machines' objects and people tell a rollout; each in the caller's transaction. */

export function heardTurn(context: Context, told: MachineTurn): void {
  const targets = new Targets(context.store);
  const target = targets.one(told.machine)?.target ?? null;
  const run = header(context).id;
  // Of a wish that this run has given up since.
  if (target === null || ticketKey(run, told.machine, target.direction) !== told.key) return;
  step(context, targets, eventOf(told));
}

function eventOf(told: MachineTurn): RolloutEvent {
  const { machine } = told;
  switch (told.kind) {
    case "granted":
      return { kind: "granted", machine, counter: told.counter };
    case "refused":
      return { kind: "refused", machine, refusal: told.refusal };
    case "settled":
      return { kind: "settled", machine, outcome: told.outcome };
  }
}

export function confirmed(context: Context, by: number): void {
  step(context, new Targets(context.store), { kind: "confirmed", by });
}

/** Whether machines may be under way: then a cancel stops what has not begun, and nothing else. */
export function isRolling(context: Context): boolean {
  const { rollout } = header(context);
  return rollout !== null && context.store.run().phase === "deploying";
}

export function endRollout(
  context: Context,
  verdict: Extract<Verdict, { kind: "cancelled" | "superseded" }>,
): void {
  step(context, new Targets(context.store), { kind: "cancel", by: verdict.by });
}

/** Whether a deploy of the machine has a job that is not over. */
export function isDeploying({ store }: Context, machine: string): boolean {
  return new Targets(store)
    .errands("kind = 'deploy' AND settled = 0 AND machine = ?", machine)
    .some(({ job }) => store.job(job)?.state !== "finished");
}
