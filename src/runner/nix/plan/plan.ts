import {
  boundedUnits,
  programsOf,
  unitDifference,
  warningsOf,
} from "../../../core/deploy/index.ts";
import { closureDifference, type Sized } from "../../../core/impact/index.ts";
import type { ManifestPath, MachinePlan } from "../../../protocol/machine.ts";
import type { PlanWork } from "../../../protocol/specification.ts";
import { closureOf } from "../closure/closure.ts";
import type { Workspace } from "../launch.ts";
import { pathInfos } from "../store/path-info.ts";
import { validPaths } from "../store/validity.ts";
import { readScript, readSystems, type SystemFiles } from "./read.ts";

/** Programs of units that are looked into, of one machine. */
const SCRIPTS = 24;

/** A system as it lies in the store. */
export type SystemClosure = { system: string; paths: ManifestPath[] };

/** Every path of a system's closure with its hash, as the store has registered it. */
export async function systemClosure(
  workspace: Workspace,
  system: string,
  signal: AbortSignal,
): Promise<SystemClosure> {
  const closure = await closureOf(workspace, [system], signal);
  const infos = await pathInfos(
    workspace,
    closure.map(({ path }) => path),
    signal,
  );
  const paths = closure.map(({ path }) => {
    const info = infos.get(path);
    if (info === undefined) throw new Error(`${path} was in the store, and is not any more`);
    return { path, narHash: info.narHash, narSize: info.narSize };
  });
  return { system, paths };
}

type Changes = Pick<MachinePlan, "running" | "closure" | "units" | "reboot" | "warnings">;

/**
 * What putting a system on its machine would change. What cannot be known says why, and hides nothing else. It contacts no
 * machine, and nothing of the closures is executed.
 */
export async function changesOf(
  workspace: Workspace,
  { running, warn = [] }: Pick<PlanWork["machines"][number], "running" | "warn">,
  fresh: SystemClosure,
  signal: AbortSignal,
): Promise<Changes> {
  const why = await lacking(workspace, running, signal);
  if (why !== null || running === null) {
    const unknown = { kind: "unknown" as const, why: why ?? "" };
    return { running: null, closure: unknown, units: unknown, reboot: null, warnings: [] };
  }
  const after = fresh.paths.map(({ path, narSize }): Sized => ({ path, bytes: narSize }));
  const closure = await known(signal, async () =>
    closureDifference(await closureOf(workspace, [running], signal), after),
  );
  const files = await known(signal, async () => {
    const [old, now] = await readSystems(workspace, [running, fresh.system], signal);
    if (old === undefined || now === undefined) throw new Error("a system was not read");
    return { old, now };
  });
  const paths = new Set(after.map(({ path }) => path));
  const packages = closure.kind === "known" ? closure.packages : [];
  if (files.kind === "unknown")
    return {
      running,
      closure,
      units: files,
      reboot: null,
      warnings: warningsOf({ units: [], activation: null, packages, warn }),
    };
  const { old, now } = files;
  const units = unitDifference(old.units, now.units);
  const looked = await lookedAt(
    [...units.start, ...units.restart],
    old,
    now,
    async (program) => await readScript(workspace, program, paths, signal),
  );
  return {
    running,
    closure,
    units: boundedUnits(units),
    reboot: rebootOf(old, now),
    warnings: warningsOf({
      units: looked,
      activation:
        old.activation === null || now.activation === null
          ? null
          : { before: old.activation, after: now.activation },
      packages,
      warn,
    }),
  };
}

async function lacking(
  workspace: Workspace,
  running: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  if (running === null) return "the machine was never observed";
  const valid = await validPaths(workspace, [running], signal);
  return valid.has(running) ? null : "what the machine runs is not in this runner's store";
}

/** Null where nothing is known of what boots. */
function rebootOf(old: SystemFiles, now: SystemFiles): boolean | null {
  const parts = Object.keys(now.boot);
  if (parts.every((part) => old.boot[part] === null && now.boot[part] === null)) return null;
  return parts.some((part) => old.boot[part] !== now.boot[part]);
}

/** Texts of units that start anew, with the scripts that they start. */
async function lookedAt(
  names: readonly string[],
  old: SystemFiles,
  now: SystemFiles,
  read: (program: string) => Promise<string>,
): Promise<{ name: string; before: string | null; after: string }[]> {
  let left = SCRIPTS;
  const looked: { name: string; before: string | null; after: string }[] = [];
  for (const name of names) {
    let after = now.units.texts.get(name) ?? "";
    for (const program of programsOf(after)) {
      left -= 1;
      if (left < 0) break;
      after += `\n${await read(program)}`;
    }
    looked.push({ name, before: old.units.texts.get(name) ?? null, after });
  }
  return looked;
}

async function known<T extends object>(
  signal: AbortSignal,
  find: () => Promise<T>,
): Promise<(T & { kind: "known" }) | { kind: "unknown"; why: string }> {
  try {
    return { kind: "known", ...(await find()) };
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    return { kind: "unknown", why: why.slice(0, 1_024) };
  }
}
