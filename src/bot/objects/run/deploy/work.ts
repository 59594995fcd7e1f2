import type { DeployAction, DeployWork } from "../../../../protocol/machine.ts";
import type { Limits, Selection, Work } from "../../../../protocol/specification.ts";
import type { Source } from "../../../../protocol/source.ts";
import type * as z from "zod";
import type { JobRow } from "../../../../core/run/index.ts";
import type { Context } from "../context.ts";
import type { Header } from "../rows.ts";
import { type Errand, type Target, Targets } from "./targets.ts";

/** What a job about machines has to do, by the rows. */
export function machineWork({ store }: Context, run: Header, { number, kind }: JobRow): Work {
  const targets = new Targets(store);
  const about = targets.of(number);
  if (about.length === 0) throw new Error(`job ${number} of run ${run.id} is about no machine`);
  const references = about.map(({ machine, hostKey }) => ({ name: machine, hostKey }));
  if (kind === "observe") {
    const connectSeconds = Math.max(...about.map(({ settings }) => settings.limits.connectSeconds));
    return { kind, machines: references, connectSeconds };
  }
  const { source, selections, limits } = run;
  if (kind === "plan") {
    if (source === null || limits === null) throw new Error(`run ${run.id} plans without a source`);
    return planWork(about, { source, selections, limits });
  }
  const [errand] = targets.errands("job = ?", number);
  const [target] = about;
  if (errand === undefined || target === undefined || errand.counter === null)
    throw new Error(`deploy job ${number} of run ${run.id} has no counter`);
  return deployWork(run, target, errand, errand.counter);
}

function planWork(
  about: readonly Target[],
  of: { source: Source; selections: Selection[]; limits: Limits },
): Work {
  const machines = about.map(({ machine, settings: { attribute }, running }) => {
    if (attribute === null || attribute.drv === null)
      throw new Error(`machine ${machine} is planned and has no system`);
    const { selection, path, drv } = attribute;
    return { name: machine, selection, path: [...path], drv, running };
  });
  return { kind: "plan", machines, ...of };
}

function deployWork(
  { reason, head, id }: Header,
  { machine, hostKey, settings, plan, target, running }: Target,
  { direction }: Errand,
  counter: number,
): z.infer<typeof DeployWork> {
  if (reason.kind !== "deploy") throw new Error(`run ${id} has a deploy and was not asked for one`);
  const back = direction === "back";
  const { method, health, backup, limits } = settings;
  return {
    kind: "deploy",
    machine: { name: machine, hostKey },
    method,
    tool: null,
    source: null,
    counter,
    sha: head,
    ref: reason.ref,
    action: actionOf(),
    // What it was planned against; on the way back, what this run put there. Out of a hole from wherever it is.
    expected: back ? (target?.system ?? null) : reason.what.kind === "rollback" ? null : running,
    // What ran before is not judged by what its successor must do.
    health: back ? [] : health,
    backup: back ? null : backup,
    limits,
  };

  function actionOf(): DeployAction {
    if (back) return { kind: "generation", number: null, system: target?.before ?? null };
    if (reason.kind === "deploy" && reason.what.kind === "rollback")
      return {
        kind: "generation",
        number: reason.what.generation,
        system: target?.system ?? null,
      };
    if (plan === null) throw new Error(`machine ${machine} of run ${id} was not planned`);
    return { kind: "system", system: plan.manifest.system, manifest: plan.manifest };
  }
}
