import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { conclusion, replayable, reusable, rollup } from "../../../src/core/verdict/index.ts";
import { Verdict, type VerdictKind } from "../../../src/protocol/verdict.ts";

/** Every row, by hand: required, then not required. */
const ROWS: Record<VerdictKind, [string, string]> = {
  succeeded: ["success", "success"],
  failed: ["failure", "neutral"],
  "dependency-failed": ["failure", "neutral"],
  "hash-mismatch": ["failure", "neutral"],
  "timed-out": ["timed_out", "neutral"],
  silent: ["timed_out", "neutral"],
  "out-of-memory": ["failure", "neutral"],
  "out-of-disk": ["failure", "neutral"],
  "evaluation-error": ["failure", "neutral"],
  conflict: ["action_required", "neutral"],
  "no-runner": ["action_required", "neutral"],
  "needs-exchange": ["action_required", "neutral"],
  "not-covered": ["action_required", "neutral"],
  "evaluated-only": ["action_required", "neutral"],
  "needs-approval": ["action_required", "neutral"],
  cancelled: ["action_required", "cancelled"],
  superseded: ["cancelled", "cancelled"],
  infrastructure: ["action_required", "neutral"],
};
const KINDS = Verdict.options.map((arm) => arm.shape.kind.value);
const kind = fc.constantFrom(...KINDS);

describe("verdict × required → conclusion", () => {
  it.each(KINDS)("%s", (one) => {
    expect([conclusion(one, true), conclusion(one, false)]).toEqual(ROWS[one]);
  });

  it("lets nothing pass that is required and did not succeed", () => {
    for (const one of KINDS)
      expect(["success", "neutral", "skipped"].includes(conclusion(one, true))).toBe(
        one === "succeeded",
      );
  });
});

describe("many verdicts together", () => {
  it("succeed exactly when everything required has succeeded, and are never neutral", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ kind, required: fc.boolean() })), (verdicts) => {
        const together = rollup(verdicts);
        expect(together === "success").toBe(
          verdicts.every((one) => !one.required || one.kind === "succeeded"),
        );
        expect(together).not.toBe("neutral");
      }),
    );
  });

  it("do not depend on their order", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ kind, required: fc.boolean() })), (verdicts) => {
        expect(rollup(verdicts.toReversed())).toBe(rollup(verdicts));
      }),
    );
  });
});

describe("what may be reused", () => {
  const drv = `/nix/store/${"0".repeat(32)}-a.drv`;
  it("is a failure only when the builder itself exited, and not for ever", () => {
    expect(reusable({ kind: "failed", drv, exitCode: 1, logTail: "" })?.milliseconds).toBe(
      6 * 3_600_000,
    );
    expect(reusable({ kind: "failed", drv, exitCode: null, logTail: "" })).toBeNull();
    expect(reusable({ kind: "infrastructure", message: "", logTail: "" })).toBeNull();
    expect(
      reusable({ kind: "dependency-failed", cause: drv, verdict: "failed", logTail: "" }),
    ).toBeNull();
  });

  it("is, of a whole tree, what nothing but the change had a part in", () => {
    const below = (verdict: string) =>
      ({ kind: "dependency-failed", cause: drv, verdict, logTail: "" }) as const;
    const stands: Verdict[] = [
      { kind: "succeeded", reused: false },
      { kind: "evaluated-only" },
      { kind: "failed", drv, exitCode: 1, logTail: "" },
      below("failed"),
    ];
    const not: Verdict[] = [
      { kind: "failed", drv, exitCode: null, logTail: "" },
      below("out-of-disk"),
      below("timed-out"),
      { kind: "hash-mismatch", drv, specified: "a", got: "b" },
      { kind: "timed-out", limitSeconds: 1, logTail: "" },
      { kind: "infrastructure", message: "", logTail: "" },
      { kind: "out-of-disk", logTail: "" },
    ];
    expect(stands.filter((one) => !replayable(one))).toEqual([]);
    expect(not.filter((one) => replayable(one))).toEqual([]);
  });
});
