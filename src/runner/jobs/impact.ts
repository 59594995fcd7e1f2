import { attributeName } from "../../protocol/attribute.ts";
import { closureDifference } from "../../core/impact/index.ts";
import type { MachineDifference } from "../../protocol/impact.ts";
import type { Specification } from "../../protocol/specification.ts";
import type { Source } from "../../protocol/source.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { closureOf } from "../nix/closure/closure.ts";
import { derivationDifference } from "../nix/closure/derivation.ts";
import { showDerivations } from "../nix/store/derivations.ts";
import { invalidPaths } from "../nix/store/validity.ts";
import { evaluateAgain } from "./again.ts";
import type { LayOut } from "./build.ts";
import type { Place } from "./place.ts";

type Work = Extract<Specification["work"], { kind: "impact" }>;
type Machine = Work["machines"][number];
type Side = "before" | "after";

/** Says of each machine how it differs from the base's. Builds nothing; one machine's trouble stays its own. */
export async function impactJob(work: Work, place: Place, layOut: LayOut): Promise<Verdict> {
  const { sink, say, signal } = place;
  const why = {
    after: await bring(work, "after", work.source, place, layOut),
    before: await bring(work, "before", work.base, place, layOut),
  };
  const absent = await absentOf(work.machines, place);
  for (const machine of work.machines) {
    signal.throwIfAborted();
    const difference = await differenceOf(machine, absent, why, place);
    say(
      `${attributeName(machine.path)}: derivation ${difference.derivation.kind}, closure ${difference.closure.kind}`,
    );
    await sink.impact(difference);
  }
  return { kind: "succeeded", reused: false };
}

/** Evaluates what the store lacks of one side. @returns why it could not, for the machines that lack it. */
async function bring(
  work: Work,
  side: Side,
  source: Source,
  place: Place,
  layOut: LayOut,
): Promise<string> {
  const absent = await absentOf(work.machines, place);
  const wanted = work.machines.filter((machine) => absent.has(machine[side]));
  if (wanted.length === 0) return "";
  place.say(
    `${wanted.length} derivations ${side === "before" ? "of the base " : ""}are not in this runner's store: evaluating them again`,
  );
  const laid = await layOut(source);
  if (laid.kind === "refused")
    return "message" in laid.verdict ? laid.verdict.message : laid.verdict.kind;
  await evaluateAgain(work, wanted, laid.place);
  return "evaluating it again did not give the same derivation";
}

function absentOf(machines: readonly Machine[], place: Place): Promise<Set<string>> {
  const drvs = machines.flatMap(({ before, after }) => [before, after]);
  return invalidPaths(place.workspace, drvs, place.signal);
}

async function differenceOf(
  { before, after }: Machine,
  absent: ReadonlySet<string>,
  why: Readonly<Record<Side, string>>,
  place: Place,
): Promise<MachineDifference> {
  for (const side of ["after", "before"] as const) {
    if (!absent.has(side === "before" ? before : after)) continue;
    const lack = unknown(
      `the derivation${side === "before" ? " of the base" : ""} is not in this runner's store: ${why[side]}`,
    );
    return { before, after, derivation: lack, closure: lack };
  }
  const { workspace, facts, signal } = place;
  const derivation = await known(signal, () =>
    derivationDifference(workspace, facts.version, before, after, signal),
  );
  const closure = await known(signal, async () => {
    const graph = await showDerivations(workspace, facts.version, [before, after], false, signal);
    const [old, fresh] = [before, after].map((drv) =>
      [...(graph.get(drv)?.outputs.values() ?? [])].filter((path) => path !== null),
    );
    const missing = await invalidPaths(workspace, [...(old ?? []), ...(fresh ?? [])], signal);
    const lacks = (paths: readonly string[] | undefined): boolean =>
      paths === undefined || paths.length === 0 || paths.some((path) => missing.has(path));
    if (lacks(fresh)) return "the machine is not built on this runner";
    if (lacks(old)) return "the base's machine is not built on this runner";
    return closureDifference(
      await closureOf(workspace, old ?? [], signal),
      await closureOf(workspace, fresh ?? [], signal),
    );
  });
  return { before, after, derivation, closure };
}

/** What was found, or why nothing was: what one machine throws does not hide the others. */
async function known<T extends object>(
  signal: AbortSignal,
  find: () => Promise<T | string>,
): Promise<(T & { kind: "known" }) | { kind: "unknown"; why: string }> {
  try {
    const found = await find();
    return typeof found === "string" ? unknown(found) : { kind: "known", ...found };
  } catch (error) {
    signal.throwIfAborted();
    return unknown(error instanceof Error ? error.message : String(error));
  }
}

function unknown(why: string): { kind: "unknown"; why: string } {
  return { kind: "unknown", why: why.slice(0, 1_024) };
}
