import type { VerdictKind } from "../../protocol/verdict.ts";
import { type Conclusion, endedWith, rollup } from "../verdict/index.ts";
import type { RunRow } from "./rows.ts";

export type Count = { kind: VerdictKind; required: boolean; count: number };

/** The run's conclusion, of its counts. Not a success unless everything required has succeeded. */
export function conclude(run: RunRow, counts: readonly Count[]): Conclusion {
  if (run.stopped !== null) return endedWith(run.stopped.kind);
  const verdicts: { kind: VerdictKind; required: boolean }[] = counts.filter(
    ({ count }) => count > 0,
  );
  verdicts.push({ kind: run.evaluation?.kind ?? "not-covered", required: true });
  const worst = rollup(verdicts);
  // Everything was built, or the machines would not have been touched.
  if (run.rollout !== undefined && run.rollout !== "none" && run.rollout !== "open")
    return run.rollout;
  // Machines were never come to.
  if (worst === "success" && run.rollout === "open") return "action_required";
  if (worst === "success" && run.requiredSucceeded !== run.required) return "action_required";
  return worst;
}
