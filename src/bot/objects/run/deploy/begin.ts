import { isSource, type DeployMachine, type Objection } from "../../../../core/deploy/index.ts";
import { code } from "../../../../core/report/index.ts";
import { endMachines } from "../../../../core/run/index.ts";
import type { Conclusion } from "../../../../core/verdict/index.ts";
import { commit } from "../context.ts";
import { chooseTargets, stagesFor } from "./choose.ts";
import { objectionsTo } from "./policy.ts";
import type { Rolling } from "./settle.ts";
import { machineOf } from "./targets.ts";
import { machineObject } from "./words.ts";

/** What begins by itself waits so long (ms) for checks and windows, and looks so often. */
const PASSES = 24 * 3_600_000;
const ASK_AGAIN = 60_000;

/** Which machines are meant, and whether anything is in the way. */
export async function begin(rolling: Rolling): Promise<"again" | number | null> {
  const { context, run, reason, targets } = rolling;
  if (reason.what.kind !== "plan" && reason.what.kind !== "deploy")
    throw new Error(`run ${run.id} has no machines`);
  const chosen = await chooseTargets(context, run, reason.what.targets);
  if (chosen.kind === "refused") return refuse(rolling, [chosen.why]);
  const machines = chosen.machines.map(({ settings }) => settings);
  if (reason.what.kind === "deploy") {
    const { earlier } = stagesFor(
      context,
      run,
      machines.map(({ name }) => name),
    );
    const found = await objectionsTo(context, run, machines, earlier);
    const later = passesBy(rolling, found);
    if (later !== null) return later;
    if (found.length > 0)
      return refuse(
        rolling,
        found.map(({ why }) => why),
      );
  }
  const prunes = reason.what.prune === true;
  const impossible = machines.flatMap((machine) => impossibleTo(machine, prunes));
  if (impossible.length > 0) return refuse(rolling, impossible);
  const seen = await Promise.all(
    chosen.machines.map(({ hostKey }) =>
      machineObject(context, run, hostKey).view(machineOf(run, hostKey)),
    ),
  );
  context.storage.transactionSync(() => {
    for (const notice of chosen.notices) context.store.notice(notice);
    for (const [at, { settings, hostKey }] of chosen.machines.entries()) {
      targets.add(settings, hostKey, at);
      const observation = seen[at]?.observation ?? null;
      if (observation !== null) targets.seen(settings.name, observation.system, observation.at);
    }
  });
  return "again";
}

/** What nobody could plan. A source that only cannot be called is planned, and the plan says why it would not be deployed. */
function impossibleTo(machine: DeployMachine, prunes: boolean): string[] {
  const { name, method, attribute, problems } = machine;
  if (!isSource(method) && attribute?.drv == null) return [`\`${name}\`: ${problems.join("; ")}`];
  return prunes && method !== "kubernetes"
    ? [`${code(name)} is no cluster, so there is nothing to prune: name clusters by themselves.`]
    : [];
}

/** What begins by itself waits for what passes by itself: nobody is there to ask again. A newer head takes its place. */
function passesBy({ context, run, reason }: Rolling, found: readonly Objection[]): number | null {
  const waits = found.length > 0 && found.every(({ passes }) => passes === true);
  if (reason.begun === undefined || !waits) return null;
  const now = context.now();
  return now - run.requestedAt < PASSES ? now + ASK_AGAIN : null;
}

/** The run ends without having begun with its machines. */
export function refuse(rolling: Rolling, why: readonly string[]): null {
  for (const one of why) rolling.context.store.notice(one);
  return endRun(rolling, "action_required");
}

export function endRun({ context }: Rolling, conclusion: Conclusion): null {
  commit(context, () => endMachines(context.store.slice(), conclusion));
  return null;
}
