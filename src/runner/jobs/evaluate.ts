import type { Finding } from "../../protocol/data.ts";
import { MAX_FINDINGS } from "../../protocol/data.ts";
import { INVENTORY, type InventoryMachine } from "../../protocol/impact.ts";
import type { Specification } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { attributeBatches } from "../nix/evaluate/batch.ts";
import { evaluate } from "../nix/evaluate/index.ts";
import type { EvaluationPlace } from "./place.ts";
import { importsOf } from "./place.ts";

type Work = Extract<Specification["work"], { kind: "evaluate" }>;

/** What the control plane's report says about the evaluator. */
function evaluatorName(
  place: EvaluationPlace,
  jobs: string | null,
): { evaluator: string; degraded: string | null } {
  if (jobs !== null)
    return {
      evaluator:
        `nix-eval-jobs ${jobs}, and nix ${place.facts.version.number} for apps and files`.slice(
          0,
          128,
        ),
      degraded: null,
    };
  return {
    evaluator: `nix ${place.facts.version.number} (sharded nix eval)`,
    degraded:
      "nix-eval-jobs is not on the runner's PATH: `nix eval` is used, one process for each system and one more for each attribute that fails",
  };
}

/** Evaluates every selection, one after the other; what can be evaluated is handed on even when the rest cannot. */
export async function evaluateJob(work: Work, place: EvaluationPlace): Promise<Verdict> {
  const { sink, now, signal, say } = place;
  const began = now();
  const warnings: string[] = [];
  const missing: string[] = [];
  const findings: Finding[] = [];
  const inventory: InventoryMachine[] = [];
  let peakBytes: number | null = null;
  const jobs = place.evalJobs;
  let worst: Verdict = { kind: "succeeded", reused: false };
  for (const [index, selection] of work.selections.entries()) {
    const batches = attributeBatches((attributes) => sink.attributes(attributes));
    const spent = (now() - began) / 1_000;
    const result = await evaluate({
      workspace: place.workspace,
      version: place.facts.version,
      tree: place.tree,
      revision: place.revision,
      shownAs: place.shownAs,
      inputs: place.inputs,
      selection,
      index,
      seconds: Math.max(1, work.limits.evaluationSeconds - spent),
      memoryBytes: work.limits.evaluationBytes,
      imports: importsOf(place, work.limits),
      jobs,
      signal,
      now,
      onAttribute: (attribute) => batches.push(attribute),
    });
    await batches.flush();
    signal.throwIfAborted();
    switch (result.kind) {
      case "evaluated":
        warnings.push(...result.warnings);
        missing.push(...result.missing);
        findings.push(...result.findings);
        inventory.push(...result.inventory);
        if (result.peakBytes !== null) peakBytes = Math.max(peakBytes ?? 0, result.peakBytes);
        break;
      case "error":
        warnings.push(...result.warnings);
        say(`${describe(selection)}: ${result.message}`);
        if (worst.kind === "succeeded")
          worst = { kind: "evaluation-error", message: result.message, position: result.position };
        break;
      case "infrastructure":
        return { kind: "infrastructure", message: result.message, logTail: "" };
      case "cancelled":
        throw new Error("the evaluation was cancelled, and nobody had asked for it");
    }
  }
  for (const warning of warnings) say(warning);
  for (const { about, message, position } of findings)
    say(`${position === null ? "" : `${position.file}:${position.line}: `}${about}: ${message}`);
  await sink.evaluated({
    ...evaluatorName(place, jobs),
    seconds: (now() - began) / 1_000,
    peakBytes,
    warnings: warnings.slice(0, 50),
    missing: missing.slice(0, 1_000),
    ...(isImpure(work, warnings) ? { impure: true } : {}),
    findings: findings.slice(0, MAX_FINDINGS),
    ...(inventory.length > 0 ? { inventory: inventory.slice(0, INVENTORY.machines) } : {}),
  });
  return worst;
}

/** What Nix says of an input that the lock file does not name: what it is, is decided by somebody else, today. */
const UNLOCKED = /not writing modified lock file/u;

/** Whether the same tree may evaluate to something else tomorrow. A file is evaluated impurely. */
function isImpure({ selections }: Work, warnings: readonly string[]): boolean {
  return (
    selections.some(({ kind }) => kind === "file") ||
    warnings.some((warning) => UNLOCKED.test(warning))
  );
}

function describe(selection: Work["selections"][number]): string {
  switch (selection.kind) {
    case "flake":
      return `flake ${selection.directory === "" ? "." : selection.directory}`;
    case "file":
      return `file ${selection.file}`;
  }
}
