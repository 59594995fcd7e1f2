import {
  BUILD,
  buildCheck,
  type CheckBody,
  EVALUATION,
  evaluationCheck,
  OVERALL,
  overallCheck,
  type Summary,
} from "../../../src/core/report/index.ts";
import { Draft } from "../../../src/core/run/draft.ts";
import {
  admit,
  type AttributeRow,
  type Changes,
  conclude,
  type Count,
  newRun,
  type Phase,
  settle,
} from "../../../src/core/run/index.ts";
import type { Verdict, VerdictKind } from "../../../src/protocol/verdict.ts";

const drv = `/nix/store/${"0".repeat(32)}-app.drv`;
const logTail = "the end of its log";

/** Where a verdict stands in a run. */
export const PLACES = ["required", "not required", "evaluation", "run"] as const;
export type Place = (typeof PLACES)[number];

type Row = {
  verdict: Verdict;
  /** Whether code may get in by hand of this table: nothing in it comes from the code that it judges. */
  enters: Record<Place, boolean>;
};

/** What is required and did not succeed blocks, and so does what ended evaluation or run; what is not required never does. */
const blocks = { required: false, "not required": true, evaluation: false, run: false };

/** Every verdict by hand. Total: a new one does not compile before it has its row here. */
export const VERDICTS: Record<VerdictKind, Row> = {
  succeeded: {
    verdict: { kind: "succeeded", reused: false },
    // A run that was stopped has built nothing, whatever it was stopped with.
    enters: { required: true, "not required": true, evaluation: true, run: false },
  },
  failed: { verdict: { kind: "failed", drv, exitCode: 1, logTail }, enters: blocks },
  "dependency-failed": {
    verdict: { kind: "dependency-failed", cause: drv, verdict: "failed", logTail },
    enters: blocks,
  },
  "hash-mismatch": {
    verdict: { kind: "hash-mismatch", drv, specified: "sha256-A", got: "sha256-B" },
    enters: blocks,
  },
  "timed-out": { verdict: { kind: "timed-out", limitSeconds: 60, logTail }, enters: blocks },
  silent: { verdict: { kind: "silent", limitSeconds: 60, logTail }, enters: blocks },
  "out-of-memory": {
    verdict: { kind: "out-of-memory", limitBytes: null, logTail },
    enters: blocks,
  },
  "out-of-disk": { verdict: { kind: "out-of-disk", logTail }, enters: blocks },
  "evaluation-error": {
    verdict: { kind: "evaluation-error", message: "attribute 'x' missing", position: null },
    enters: blocks,
  },
  conflict: { verdict: { kind: "conflict", message: "does not merge" }, enters: blocks },
  "no-runner": { verdict: { kind: "no-runner", missing: ["feature kvm"] }, enters: blocks },
  "needs-exchange": {
    verdict: { kind: "needs-exchange", drv, system: "aarch64-linux", missing: ["system"] },
    enters: blocks,
  },
  "not-covered": { verdict: { kind: "not-covered", reason: "not there" }, enters: blocks },
  "evaluated-only": { verdict: { kind: "evaluated-only" }, enters: blocks },
  "needs-approval": { verdict: { kind: "needs-approval", reason: "a fork" }, enters: blocks },
  cancelled: { verdict: { kind: "cancelled", by: "ada" }, enters: blocks },
  superseded: { verdict: { kind: "superseded", by: "42-2" }, enters: blocks },
  infrastructure: {
    verdict: { kind: "infrastructure", message: "the daemon died", logTail },
    enters: blocks,
  },
};
export const KINDS = Object.keys(VERDICTS) as VerdictKind[];

/** The checks of a run with this verdict at this place and otherwise only good ones: core's own words, none of ours. */
export function checksOf(kind: VerdictKind, place: Place): Record<string, CheckBody> {
  const { verdict } = VERDICTS[kind];
  const good: Verdict = { kind: "succeeded", reused: false };
  const counts: Count[] = [];
  const rows: AttributeRow[] = [];
  let run = newRun(false);
  const save = (changes: Changes) => {
    run = changes.run;
    rows.push(...changes.attributes);
    for (const { by, ...of } of changes.counts) counts.push({ ...of, count: by });
  };
  const slice = () => ({ run, jobs: [], attributes: [], derivations: [] });
  const rules = { systems: [null], set: ["*"] };
  if (place === "run") save(admit(slice(), { kind: "refuse", verdict }));
  else {
    save(admit(slice(), { kind: "replay", pool: "trusted", rules }));
    const draft = new Draft(slice());
    if (place !== "evaluation")
      for (const [name, one, required] of [
        ["good", good, true],
        ["judged", verdict, place === "required"],
      ] as const)
        draft.judge(
          draft.addAttribute({
            selection: 0,
            path: ["packages", "x86_64-linux", name],
            name: `packages.x86_64-linux.${name}`,
            system: "x86_64-linux",
            drv: `${drv.slice(0, -7)}${name}.drv`,
            required,
          }),
          one,
          1,
          null,
        );
    draft.run.evaluation = place === "evaluation" ? verdict : good;
    save(draft.changes());
    save(settle(slice()));
  }
  const over: Phase[] = ["finished", "waiting-approval"];
  if (!over.includes(run.phase)) throw new Error(`the run is ${run.phase}, and should be over`);
  const summary: Summary = {
    phase: run.phase,
    head: "1".repeat(40),
    built: null,
    base: null,
    pool: run.pool,
    requiredSystems: [],
    evaluation: run.evaluation,
    stopped: run.stopped,
    conclusion: run.phase === "finished" ? conclude(run, counts) : null,
    counts,
    attributes: run.attributes,
    pending: run.pending,
    replayOf: null,
    evaluator: null,
    seconds: 1,
    longest: [],
    reused: 0,
    flaky: { total: 0, list: [] },
    difference: null,
    notices: [],
    findings: [],
    approval: null,
    url: "https://snowcat.example/runs/42-1",
  };
  const checks = { [OVERALL]: overallCheck(summary, rows, []) };
  // As the Run does: before anything is admitted the overall check says it all.
  if (run.pool === null) return checks;
  const errors = rows.filter((row) => row.verdict?.kind === "evaluation-error");
  return {
    ...checks,
    [EVALUATION]: evaluationCheck(summary, errors, errors.length),
    [BUILD]: buildCheck(summary, rows, []),
  };
}
