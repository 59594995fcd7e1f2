import type { DeployAction, DeployWork } from "../../../../protocol/machine.ts";
import type { Source } from "../../../../protocol/source.ts";
import type { Limits, Selection, Work } from "../../../../protocol/specification.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type * as z from "zod";
import { isSource } from "../../../../core/deploy/index.ts";
import type { DeployReason } from "../../../../core/repo/request.ts";
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
  const machines = about.map(({ machine, settings: { attribute, warn }, running }) => {
    if (attribute === null || attribute.drv === null)
      throw new Error(`machine ${machine} is planned and has no system`);
    const { selection, path, drv } = attribute;
    const words = warn.length === 0 ? {} : { warn: [...warn] };
    return { name: machine, selection, path: [...path], drv, running, ...words };
  });
  return { kind: "plan", machines, ...of };
}

function deployWork(
  run: Header,
  target: Target,
  { direction }: Errand,
  counter: number,
): z.infer<typeof DeployWork> {
  const { reason, head, id } = run;
  if (reason.kind !== "deploy") throw new Error(`run ${id} has a deploy and was not asked for one`);
  const { machine, hostKey, settings, running, target: row } = target;
  const { method, health, backup, limits } = settings;
  const returns = direction === "back" || reason.what.kind === "rollback";
  const { action, source } = returns ? wayBack(reason, target) : wayOn(run, target);
  return {
    kind: "deploy",
    machine: { name: machine, hostKey },
    method,
    tool: toolOf(target, reason),
    source,
    counter,
    sha: head,
    ref: reason.ref,
    action,
    // What it was planned against; on the way back, what this run put there. Out of a hole from wherever it is.
    expected:
      direction === "back" ? putThere(row) : reason.what.kind === "rollback" ? null : running,
    // What ran before is not judged by what its successor must do.
    health: direction === "back" ? [] : health,
    backup: direction === "back" ? null : backup,
    limits,
  };
}

type Way = { action: DeployAction; source: Source | null };

/** What was approved: a closure, or the tree that the machine builds from. */
function wayOn(run: Header, { machine, settings: { method }, plan }: Target): Way {
  const source = method === "plain" ? null : run.source;
  if (isSource(method)) {
    if (source === null) throw new Error(`machine ${machine} of run ${run.id} has no tree`);
    return { action: { kind: "source", tree: source.tree }, source };
  }
  if (plan === null) throw new Error(`machine ${machine} of run ${run.id} was not planned`);
  const { manifest } = plan;
  return { action: { kind: "system", system: manifest.system, manifest }, source };
}

/** A generation; where the method builds elsewhere, the sources that it came from go back as well, as far as they are known. */
function wayBack({ what }: DeployReason, target: Target): Way {
  const { target: row, settings, previous } = target;
  const source = isSource(settings.method) ? previous : null;
  const system = (what.kind === "rollback" ? row?.system : row?.before) ?? null;
  const number = what.kind === "rollback" ? numberOf(what.generation, target) : null;
  return { action: { kind: "generation", number, system }, source };
}

/** What was chosen is a generation that was seen: the newest that has its system. Nobody looked: the machine finds it. */
function numberOf(
  generation: number | "last-good" | null,
  { target, observed }: Target,
): number | null {
  if (typeof generation === "number") return generation;
  if (observed?.kind !== "observation") return null;
  const found = observed.observation.generations
    .filter(({ system }) => system === target?.system)
    .toSorted((a, b) => b.number - a.number)[0];
  return found?.number ?? null;
}

function putThere(row: Target["target"]): string | null {
  // A source's system is what came of it.
  return row?.system ?? (row?.outcome?.kind === "active" ? row.outcome.system : null);
}

/** What deletes was asked for by itself, and only for this once. */
function toolOf({ settings, target }: Target, { what }: DeployReason): ToolWork | null {
  // Of a run that an earlier release began it is not there.
  const tool = settings.tool ?? null;
  if (tool?.kind !== "kubernetes") return tool;
  const prune = what.kind === "deploy" && what.prune === true && target?.direction !== "back";
  return { ...tool, prune };
}
