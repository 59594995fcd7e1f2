import type { Look } from "../../../../core/deploy/index.ts";
import { cancelJob } from "../../../../core/run/index.ts";
import { commit, type Context } from "../context.ts";
import { why } from "./settle.ts";
import type { Targets } from "./targets.ts";
import { type Errand, type Target } from "./targets.ts";

/** A look that nobody has answered for this long (ms) is late: a person may have to see to its runner. */
const LATE = 2 * 60_000;

/** How looking at the machines goes whose deploys were lost, and when (ms) a look becomes late by time alone. */
export function looksOf(
  context: Context,
  targets: Targets,
): { machine: string; look: Look; lateAt: number | null }[] {
  return targets
    .all()
    .filter(({ target }) => target?.state === "lost")
    .map((target) => {
      const errands = targets.errands("machine = ?", target.machine);
      const deploy = errands.findLast(({ kind }) => kind === "deploy")?.job ?? 0;
      const looks = errands.filter(({ kind, job }) => kind === "observe" && job > deploy);
      const open = looks.find(({ settled }) => !settled);
      const lateAt = open === undefined ? null : open.at + LATE;
      const late = lateAt !== null && context.now() >= lateAt;
      const last = looks.findLast(({ settled }) => settled);
      const look = late
        ? ({ kind: "late" } as const)
        : last === undefined
          ? ({ kind: "asked" } as const)
          : answerOf(context, last, target);
      return { machine: target.machine, look, lateAt: late ? null : lateAt };
    });
}

function answerOf({ store }: Context, { heard, job }: Errand, { observed }: Target): Look {
  if (!heard) return { kind: "unseen", why: why(store.job(job)) };
  return observed?.kind === "unreachable"
    ? { kind: "unseen", why: observed.why }
    : { kind: "seen" };
}

/** Nobody waits for looks that saw nothing yet: a person let go of the machine, or its runner told how it ended after all. */
export function endLooks(context: Context, targets: Targets): void {
  for (const { job } of targets.errands("kind = 'observe' AND heard = 0 AND settled = 0"))
    commit(context, () =>
      cancelJob(
        context.store.slice({ jobs: context.store.jobs("number = ?", job) }),
        job,
        "the end of the rollout",
        context.now(),
      ),
    );
}
