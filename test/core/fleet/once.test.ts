import { describe, expect, it } from "vitest";
import {
  assign,
  deadline,
  type FleetJob,
  missingEverywhere,
  step,
} from "../../../src/core/fleet/index.ts";
import { job, runner } from "./rows.ts";

describe("a job that changes a machine", () => {
  const key = `SHA256:${"a".repeat(43)}`;
  const deploy = (change: Partial<FleetJob> = {}) =>
    job({ pool: "deploy", machines: [key], once: true, ...change });
  const target = { hostKey: key, repositories: [1] };

  it("goes only to a runner whose own policy lets it change the machine for the repository", () => {
    const able = runner("able", { pool: "deploy", targets: [target] });
    const other = runner("other", { pool: "deploy", targets: [{ ...target, repositories: [2] }] });
    const trusted = runner("trusted", { targets: [target] });
    const runners = [trusted, other, able];
    expect(assign([deploy()], runners, new Map(), new Map(), 1)).toMatchObject([
      { job: "1-1.0", runner: "able" },
    ]);
    expect(missingEverywhere(deploy(), [trusted, other])).toEqual([
      `a policy that lets it change the machine ${key} for this repository`,
    ]);
  });

  const running = deploy({ state: "running", attempt: 1, runner: "r1" });
  const over = { kind: "forward", verdict: { kind: "infrastructure" } };
  it("is never handed out again once it was taken: its runner may come back, nobody else gets it", () => {
    const { job: suspect, effects } = step(running, { kind: "expired" }, 5);
    expect([suspect.state, effects]).toEqual(["suspect", []]);
    const another = runner("r2", { pool: "deploy", targets: [target] });
    expect(assign([suspect], [another], new Map(), new Map(), 1e9)).toEqual([]);
    expect(step(suspect, { kind: "held", attempt: 1, runner: "r1" }, 6).job.state).toBe("running");
    expect(deadline(suspect, 0)).toBe(5 + 15 * 60_000);
    expect(step(suspect, { kind: "expired" }, 1e9).effects).toMatchObject([over]);
  });
  it.each([
    ["whose runner does not know it any more", { kind: "absent", runner: "r1" }, running],
    [
      "cancelled, and then lost",
      { kind: "absent", runner: "r1" },
      { ...running, cancel: "a person" },
    ],
    [
      "whose runner was taken out while it was away",
      { kind: "impossible", missing: ["x"] },
      { ...running, state: "suspect" },
    ],
  ] as const)("%s is told as lost, not as ended", (_name, event, at) => {
    const { job: next, effects } = step(at, event, 5);
    expect([next.state, effects]).toMatchObject(["done", [over]]);
  });
  it("whose runner is away is not ended by a cancel, which its runner hears when it is back", () => {
    const suspect = { ...running, state: "suspect" as const };
    const { job: next, effects } = step(suspect, { kind: "cancel", reason: "a person" }, 5);
    expect([next.state, next.cancel, effects]).toEqual(["suspect", "a person", []]);
    expect(step(next, { kind: "held", attempt: 1, runner: "r1" }, 6).effects).toMatchObject([
      { kind: "cancel", runner: "r1" },
    ]);
  });
});
