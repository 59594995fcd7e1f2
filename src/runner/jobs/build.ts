import type { AttributeResult } from "../../protocol/attribute.ts";
import type { Specification } from "../../protocol/specification.ts";
import type { Source } from "../../protocol/source.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { attributeName } from "../../protocol/attribute.ts";
import { build } from "../nix/build/index.ts";
import type { RunMemory } from "../nix/build/failure.ts";
import { tryShowDerivations } from "../nix/store/derivations.ts";
import { invalidPaths } from "../nix/store/validity.ts";
import { evaluateAgain } from "./again.ts";
import type { EvaluationPlace, Place } from "./place.ts";

type Work = Extract<Specification["work"], { kind: "build" }>;
type Derivation = Work["derivations"][number];

/** A source (the job's unless given), fetched when it turns out to be needed. */
export type LayOut = (
  source?: Source,
) => Promise<{ kind: "fetched"; place: EvaluationPlace } | { kind: "refused"; verdict: Verdict }>;

/** Builds a slice. Derivations that this store does not have are evaluated again first. */
export async function buildJob(
  work: Work,
  place: Place,
  memory: RunMemory,
  layOut: LayOut,
): Promise<Verdict> {
  const { workspace, facts, sink, talk, exchange, signal, now, say, attest } = place;
  const drvs = work.derivations.map(({ drv }) => drv);
  // Most often they are all there: then one process says so, and what they are.
  const known = await tryShowDerivations(workspace, facts.version, drvs, signal);
  let absent = known === null ? await invalidPaths(workspace, drvs, signal) : new Set<string>();
  if (absent.size > 0 && exchange !== null) {
    const there = await exchange.has(absent, signal);
    say(`${there.size} derivations come from the exchange`);
    if (there.size > 0) {
      await exchange.fetchDerivations(there, signal);
      absent = await invalidPaths(workspace, absent, signal);
    }
  }
  if (absent.size > 0) {
    say(`${absent.size} derivations are not in this runner's store: evaluating them again`);
    const source = await layOut();
    if (source.kind === "refused") return source.verdict;
    await evaluateAgain(
      work,
      work.derivations.filter(({ drv }) => absent.has(drv)),
      source.place,
    );
  }
  const still = absent.size === 0 ? absent : await invalidPaths(workspace, absent, signal);
  const lost = work.derivations.filter(({ drv }) => still.has(drv));
  if (lost.length > 0) await sink.results(lost.map(lostResult));
  const goals = work.derivations.filter(({ drv }) => !still.has(drv));
  if (goals.length > 0)
    await build({
      workspace,
      facts,
      goals,
      known,
      limits: work.limits,
      memory,
      sink,
      talk,
      exchange,
      signal,
      now,
      say,
      attest,
    });
  return { kind: "succeeded", reused: false };
}

function lostResult({ selection, path, drv }: Derivation): AttributeResult {
  const message = `${attributeName(path)} was to be ${drv}, which this runner's store does not have, and evaluating it again did not give that derivation: the evaluation depends on more than its source`;
  return {
    selection,
    path,
    drv,
    verdict: { kind: "infrastructure", message, logTail: "" },
    seconds: 0,
    log: null,
  };
}
