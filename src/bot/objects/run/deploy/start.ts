import { resolve } from "../../../../core/config/resolve.ts";
import {
  isSource,
  lastGood,
  newRollout,
  type RollbackTo,
  rollbackTo,
  sickOf,
  sourcesOf,
} from "../../../../core/deploy/index.ts";
import { code } from "../../../../core/report/index.ts";
import type { Source } from "../../../../protocol/source.ts";
import type { MachineView } from "../../contracts.ts";
import { Unavailable } from "../admission.ts";
import { writer } from "../context.ts";
import { refuse } from "./begin.ts";
import { configurationOf, stagesFor } from "./choose.ts";
import type { Rolling } from "./settle.ts";
import { machineOf, type Target } from "./targets.ts";
import { machineObject } from "./words.ts";

/** So long (ms) somebody has to confirm. */
const CONFIRM = 24 * 3_600_000;

/** Everything is known: the rollout begins, or waits for whoever asked to confirm it. */
export async function startDeploy(
  rolling: Rolling,
  all: readonly Target[],
): Promise<"again" | null> {
  const { context, run, reason, targets } = rolling;
  const names = all.map(({ machine }) => machine);
  const { stages, machines, onFailure } = stagesFor(context, run, names);
  // Whoever asks confirms; what the default branch's configuration begins nobody asked for.
  const confirm =
    configurationOf(run).policy?.deploy?.confirm === true && reason.begun === undefined;
  const made = newRollout(
    stages,
    machines.map(({ machine, stage }) => {
      const target = all.find((one) => one.machine === machine);
      const system = target?.plan?.manifest.system ?? null;
      return { machine, stage, system, before: target?.running ?? null };
    }),
    { onFailure, confirm: confirm ? { by: run.sender.id, until: context.now() + CONFIRM } : null },
  );
  const previous = await previousOf(rolling, all, ({ running }) => running);
  context.storage.transactionSync(() => {
    for (const { machine, source } of previous)
      if (source !== null) targets.keepPrevious(machine, source);
    targets.begin(made.stages);
    targets.save({ rollout: made.rollout, targets: made.targets });
    context.tasks.at("report", context.now());
  });
  return "again";
}

/** One machine goes back to a generation that it has; where it builds by itself, to the sources of then as well. */
export async function startRollback(
  rolling: Rolling,
  [target, ...others]: readonly Target[],
): Promise<"again" | null> {
  const { context, run, targets } = rolling;
  if (target === undefined || others.length > 0)
    throw new Error(`run ${run.id} takes back ${others.length + 1} machines`);
  const { machine, settings } = target;
  if (settings.method !== "plain" && settings.tool === null)
    return refuse(rolling, [`${code(machine)}: ${settings.problems.join("; ")}`]);
  const view = await viewOf(rolling, target);
  const meant = meantBy(rolling, target, view);
  if (meant.kind === "refused") return refuse(rolling, [`${code(machine)}: ${meant.why}`]);
  const made = newRollout(
    [{ label: machine, parallel: 1, maxFailures: 0, pauseSeconds: 0 }],
    [{ machine, stage: 0, system: meant.system, before: target.running }],
    { onFailure: "stop", confirm: null },
  );
  const [previous] = await previousOf(rolling, [target], () => meant.system);
  context.storage.transactionSync(() => {
    context.store.notice(
      `What newer systems of ${machine} migrated stays migrated: a rollback brings programs back, and no data${settings.backup === null ? "" : "; its backup command is run before"}.`,
    );
    if (previous?.source != null) targets.keepPrevious(machine, previous.source);
    else if (isSource(settings.method))
      context.store.notice(
        `Nobody knows which commit that system of ${machine} was built from: its sources stay as they are, and its generation alone goes back.`,
      );
    targets.begin(made.stages);
    targets.save({ rollout: made.rollout, targets: made.targets });
    context.tasks.at("report", context.now());
  });
  return "again";
}

function meantBy({ reason }: Rolling, target: Target, view: MachineView | null): RollbackTo {
  const observation = target.observed?.kind === "observation" ? target.observed.observation : null;
  if (reason.what.kind !== "rollback") return { kind: "refused", why: "no rollback was asked for" };
  const { generation } = reason.what;
  if (generation !== "last-good")
    return rollbackTo(generation, observation, sickOf(view?.history ?? []));
  const good = lastGood(view?.history ?? [], observation?.system ?? null);
  if (good === null)
    return { kind: "refused", why: "No deploy is known that left another system active." };
  const found = observation?.generations
    .filter(({ system }) => system === good.system)
    .toSorted((a, b) => b.number - a.number)[0];
  if (found === undefined)
    return {
      kind: "refused",
      why: `Its last good system, of ${code(good.sha)}, is none of its generations any more: deploy that commit again.`,
    };
  return { kind: "generation", number: found.number, system: found.system };
}

/** The trees that systems of machines that build by themselves came from, where this repository put them there. */
async function previousOf(
  rolling: Rolling,
  all: readonly Target[],
  systemOf: (target: Target) => string | null,
): Promise<{ machine: string; source: Source | null }[]> {
  const { run, context } = rolling;
  const { repository } = run.identity;
  const { revision } = resolve(configurationOf(run), [], "deploy");
  const found: { machine: string; source: Source | null }[] = [];
  for (const target of all.filter(({ settings }) => isSource(settings.method))) {
    const { machine } = target;
    const view = await viewOf(rolling, target);
    const sha = sourcesOf(view?.history ?? [], systemOf(target), repository.id);
    const read = sha === null ? null : await writer(context, run).commit(repository, sha);
    if (read !== null && !read.ok && !read.missing)
      throw new Unavailable(read.retryAfter, read.reason);
    if (sha === null || read === null || !read.ok) {
      found.push({ machine, source: null });
      continue;
    }
    const { cloneUrl, defaultBranch } = repository;
    // Fetched by its name; the ref is where it is looked for next.
    const ref = `refs/heads/${defaultBranch}`;
    const { tree } = read.value;
    found.push({ machine, source: { cloneUrl, ref, sha, tree, revision } });
  }
  return found;
}

async function viewOf({ context, run }: Rolling, { hostKey }: Target): Promise<MachineView | null> {
  return await machineObject(context, run, hostKey).view(machineOf(run, hostKey));
}
