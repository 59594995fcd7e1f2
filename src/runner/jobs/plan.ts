import { attributeName } from "../../protocol/attribute.ts";
import type { PlanWork } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { JobContext } from "../agent/job.ts";
import { changesOf, systemClosure } from "../nix/plan/plan.ts";
import { type Exchange, ExchangeFailure } from "../nix/exchange/exchange.ts";
import { showDerivations } from "../nix/store/derivations.ts";
import { invalidPaths } from "../nix/store/validity.ts";
import { evaluateAgain } from "./again.ts";
import type { LayOut } from "./build.ts";
import type { Place } from "./place.ts";

type Machine = PlanWork["machines"][number];

/**
 * Plans each machine from the store and its last observation: the closure's manifest, signed and put away, and what would
 * change. Builds nothing, contacts no machine, executes nothing of a closure. Without a plan for each the job has not
 * succeeded: nobody may deploy what was not planned.
 */
export async function planJob(
  work: PlanWork,
  place: Place,
  { manifests, attestClosure }: Pick<JobContext, "manifests" | "attestClosure">,
  layOut: LayOut,
): Promise<Verdict> {
  const { workspace, facts, sink, say, signal } = place;
  const refused = await bring(work, place, layOut);
  if (refused !== null) return refused;
  const absent = await invalidPaths(
    workspace,
    work.machines.map(({ drv }) => drv),
    signal,
  );
  const graph = await showDerivations(
    workspace,
    facts.version,
    work.machines.flatMap(({ drv }) => (absent.has(drv) ? [] : [drv])),
    false,
    signal,
  );
  const unplanned: string[] = [];
  for (const machine of work.machines) {
    signal.throwIfAborted();
    const system = graph.get(machine.drv)?.outputs.get("out") ?? null;
    const why = await missing(machine, system, absent, place);
    if (why !== null || system === null) {
      unplanned.push(`${machine.name}: ${why ?? "its derivation has no output `out`"}`);
      say(unplanned.at(-1) ?? "");
      continue;
    }
    const closure = await systemClosure(workspace, system, signal);
    const { head, text } = attestClosure(machine.name, system, closure.paths);
    await manifests.put(head.digest, text);
    const changes = await changesOf(workspace, machine, closure, signal);
    say(
      `${machine.name}: ${system}, ${head.paths} paths, ${head.narBytes} bytes; closure ${changes.closure.kind}, units ${changes.units.kind}`,
    );
    await sink.machine({
      kind: "planned",
      plan: { machine: machine.name, manifest: head, ...changes },
    });
  }
  if (unplanned.length === 0) return { kind: "succeeded", reused: false };
  return infrastructure(`There is no plan for ${unplanned.join("; ")}`);
}

/** Evaluates what the store lacks. */
async function bring(work: PlanWork, place: Place, layOut: LayOut): Promise<Verdict | null> {
  const drvs = work.machines.map(({ drv }) => drv);
  const absent = await invalidPaths(place.workspace, drvs, place.signal);
  if (absent.size === 0) return null;
  if (await taken(place, (exchange) => exchange.fetchDerivations(absent, place.signal)))
    return null;
  place.say(`${absent.size} derivations are not in this runner's store: evaluating them again`);
  const laid = await layOut();
  if (laid.kind === "refused") return laid.verdict;
  await evaluateAgain(
    work,
    work.machines.filter(({ drv }) => absent.has(drv)),
    laid.place,
  );
  return null;
}

async function missing(
  { drv, path }: Machine,
  system: string | null,
  absent: ReadonlySet<string>,
  place: Place,
): Promise<string | null> {
  const { workspace, signal } = place;
  if (absent.has(drv))
    return `${attributeName(path)} was to be ${drv}, which this runner's store does not have, and evaluating it again did not give that derivation`;
  if (system === null) return null;
  const isThere = async () => !(await invalidPaths(workspace, [system], signal)).has(system);
  if (await isThere()) return null;
  await taken(place, (exchange) => exchange.fetch([system], signal));
  return (await isThere()) ? null : "its system is not built on this runner";
}

/** Whether the exchange gave what the store lacks; why not is said. */
async function taken(
  { exchange, say }: Place,
  take: (exchange: Exchange) => Promise<void>,
): Promise<boolean> {
  if (exchange === null) return false;
  try {
    await take(exchange);
    return true;
  } catch (error) {
    if (!(error instanceof ExchangeFailure)) throw error;
    say(error.message);
    return false;
  }
}

function infrastructure(message: string): Verdict {
  return { kind: "infrastructure", message: message.slice(0, 16_384), logTail: "" };
}
