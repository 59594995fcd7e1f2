import type { Provenance } from "../../protocol/provenance.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { LogPlace } from "../flakiness/index.ts";
import { FAILURE_TTL } from "../verdict/index.ts";
import { attributeKey, Draft } from "./draft.ts";
import { logOf } from "./log.ts";
import type { Changes, Slice } from "./rows.ts";

/** An attribute of the run that judged the same tree before. */
export type Replayed = {
  selection: number;
  path: string[];
  name: string;
  system: string | null;
  drv: string | null;
  required: boolean;
  verdict: Verdict;
  seconds: number;
  /** The original builder's. */
  provenance: Provenance | null;
  log: LogPlace | null;
};

/** Whether the earlier run may stand for this one. */
export function mayReplay(
  earlier: { conclusion: string | null; finishedAt: number | null },
  fresh: boolean,
  now: number,
): boolean {
  if (fresh || earlier.finishedAt === null) return false;
  return (
    earlier.conclusion === "success" ||
    (earlier.conclusion === "failure" && now - earlier.finishedAt <= FAILURE_TTL)
  );
}

/** The earlier run cannot be read (any more): the tree is judged anew. What was taken over already stands. */
export function unreplayed(slice: Slice): Changes {
  const draft = new Draft(slice);
  if (draft.run.phase === "evaluating" && draft.run.stopped === null && draft.run.jobs === 0)
    draft.newJob({ kind: "evaluate", system: null, features: [], retries: 0 });
  return draft.changes();
}

/** A slice of the earlier run's attributes, in its order. `last` ends the evaluation, which was not made again. */
export function replayed(slice: Slice, batch: readonly Replayed[], last: boolean): Changes {
  const draft = new Draft(slice);
  if (draft.run.phase !== "evaluating" || draft.run.stopped !== null) return draft.changes();
  for (const { verdict, seconds, provenance, log, ...attribute } of batch) {
    if (draft.attribute(attributeKey(attribute.selection, attribute.path))) continue;
    const row = draft.addAttribute(attribute);
    draft.judge(
      row,
      verdict.kind === "succeeded" ? { kind: "succeeded", reused: true } : verdict,
      seconds,
      log && logOf(log),
      provenance,
    );
  }
  if (last) draft.run.evaluation ??= { kind: "succeeded", reused: true };
  return draft.changes();
}
