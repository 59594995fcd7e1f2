import type { Look } from "../../../../core/deploy/index.ts";
import { cancelJob } from "../../../../core/run/index.ts";
import { commit, type Context } from "../context.ts";
import { why } from "./settle.ts";
import type { Targets } from "./targets.ts";
import { type Errand, type Target } from "./targets.ts";

/** A look that nobody has answered for this long (ms) is late: a person may have to see to its runner. */
const LATE = 2 * 60_000;

/** How looking at the machines goes whose deploys were lost, and until when (ms) that may change by time alone. */
export function looksOf(
  context: Context,
  targets: Targets,
): { machine: string; look: Look; lateAt: number | null }[] {
  return targets
    .all()
    .filter(({ target }) => target?.state === "lost")
    .map(({ machine, observed }) => {
      const looks = looksSince(targets, machine);
      const [first] = looks;
      if (first === undefined) return { machine, look: { late: false, why: null }, lateAt: null };
      const lateAt = first.at + LATE;
      const late = context.now() >= lateAt;
      const last = looks.findLast(({ settled }) => settled);
      return {
        machine,
        look: { late, why: last === undefined ? null : whyUnseen(context, last, observed) },
        lateAt: late ? null : lateAt,
      };
    });
}

/** The oldest first. */
function looksSince(targets: Targets, machine: string): Errand[] {
  const errands = targets.errands("machine = ?", machine);
  const deploy = errands.findLast(({ kind }) => kind === "deploy")?.job ?? 0;
  return errands.filter(({ kind, job }) => kind === "observe" && job > deploy);
}

/** Null of a look that saw it: it is still at it, and is looked at again. */
function whyUnseen(
  { store }: Context,
  { heard, job }: Errand,
  observed: Target["observed"],
): string | null {
  if (!heard) return why(store.job(job));
  return observed?.kind === "unreachable" ? observed.why : null;
}

/** Nobody waits for what is still looked at: a person let go of the machine, or its runner told how it ended after all. */
export function endLooks(context: Context, targets: Targets): void {
  for (const { job } of targets.errands("kind = 'observe' AND settled = 0"))
    commit(context, () =>
      cancelJob(
        context.store.slice({ jobs: context.store.jobs("number = ?", job) }),
        job,
        "the end of the rollout",
        context.now(),
      ),
    );
}
