import { reset, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, test } from "vitest";
import { Memory } from "../../../src/bot/objects/repo/memory.ts";
import type { JudgedVerdict, RecalledVerdict } from "../../../src/bot/objects/contracts.ts";
import { knownProvenance } from "../support/builder.ts";
import { repoStub } from "../support/objects.ts";

const HOUR = 3_600_000;
const drv = (n: number) => `/nix/store/${"0".repeat(32)}-p${n}.drv`;
const succeeded = (n: number, at = 0): JudgedVerdict => ({
  drv: drv(n),
  verdict: { kind: "succeeded", reused: false },
  run: "1-1",
  at,
  seconds: 2,
  provenance: knownProvenance(drv(n)),
  log: null,
  attribute: `packages.x86_64-linux.p${n}`,
});
const failed = (n: number, at = 0): JudgedVerdict => ({
  drv: drv(n),
  verdict: { kind: "failed", drv: drv(n), exitCode: 1, logTail: "x".repeat(9_000) },
  run: "1-1",
  at,
  seconds: 2,
  provenance: null,
  log: null,
  attribute: `packages.x86_64-linux.p${n}`,
});
/** As it is told to a run, of what never failed. */
const recalled = ({ attribute: _attribute, ...verdict }: JudgedVerdict): RecalledVerdict => ({
  ...verdict,
  flake: null,
});

afterEach(() => reset());
const withMemory = (work: (memory: Memory) => void) =>
  runInDurableObject(repoStub(301), (_repo, state) => {
    work(new Memory(state.storage.sql));
  });

test("a verdict is recalled in its own pool only", () =>
  withMemory((memory) => {
    memory.remember("untrusted", [succeeded(1)], 0);
    expect(memory.recall("trusted", [drv(1)], 1)).toEqual([]);
    expect(memory.recall("untrusted", [drv(1), drv(2)], 1)).toEqual([recalled(succeeded(1))]);
  }));

test("a failure lasts six hours, a success longer", () =>
  withMemory((memory) => {
    memory.remember("trusted", [succeeded(1), failed(2)], 0);
    expect(memory.recall("trusted", [drv(1), drv(2)], 6 * HOUR - 1).map((one) => one.drv)).toEqual([
      drv(1),
      drv(2),
    ]);
    expect(memory.recall("trusted", [drv(1), drv(2)], 6 * HOUR).map((one) => one.drv)).toEqual([
      drv(1),
    ]);
    memory.prune(7 * HOUR);
    expect(memory.recall("trusted", [drv(2)], 0)).toEqual([]);
  }));

test("only what the builder itself came to is kept", () =>
  withMemory((memory) => {
    const others: JudgedVerdict["verdict"][] = [
      { kind: "timed-out", limitSeconds: 1, logTail: "" },
      { kind: "hash-mismatch", drv: drv(0), specified: "a", got: "b" },
      { kind: "failed", drv: drv(0), exitCode: null, logTail: "" },
      { kind: "infrastructure", message: "x", logTail: "" },
      { kind: "cancelled", by: "x" },
      { kind: "out-of-memory", limitBytes: null, logTail: "" },
      { kind: "dependency-failed", cause: drv(9), verdict: "failed", logTail: "" },
    ];
    memory.remember(
      "trusted",
      others.map((verdict, n) => ({ ...succeeded(n), verdict })),
      0,
    );
    expect(
      memory.recall(
        "trusted",
        others.map((_v, n) => drv(n)),
        0,
      ),
    ).toEqual([]);
  }));

test("the newest counts, and a log is cut", () =>
  withMemory((memory) => {
    memory.remember("trusted", [failed(1, 5)], 5);
    const [kept] = memory.recall("trusted", [drv(1)], 7);
    expect(kept?.verdict).toMatchObject({ kind: "failed", logTail: "x".repeat(2_048) });
    memory.remember("trusted", [succeeded(1, 3)], 6);
    expect(memory.recall("trusted", [drv(1)], 7)).toEqual([]);
    memory.remember("trusted", [succeeded(1, 8)], 8);
    expect(memory.recall("trusted", [drv(1)], 9)[0]?.verdict.kind).toBe("succeeded");
    // A success that was only found does not take the place of the build that is told of.
    const log = { job: "1-1.2", attempt: 1, stream: "p2.drv" };
    memory.remember("trusted", [{ ...succeeded(2), log }], 8);
    memory.remember("trusted", [{ ...succeeded(2, 9), run: "1-2", seconds: 0 }], 9);
    expect(memory.recall("trusted", [drv(2)], 10)).toMatchObject([{ run: "1-1", seconds: 2, log }]);
  }));

test("above the bound the least recently used go", () =>
  withMemory((memory) => {
    for (let n = 0; n < 10; n += 1) {
      memory.remember("trusted", [succeeded(n, n)], n);
      memory.rememberTree({ key: `k${n}`, run: "1-1", at: n }, n);
    }
    memory.recall("trusted", [drv(0)], 50 * HOUR);
    expect(memory.recallTree("k1", 50 * HOUR)).toEqual({ key: "k1", run: "1-1", at: 1 });
    memory.prune(50 * HOUR, { evaluations: 1, verdicts: 3, trees: 2 });
    expect(
      memory
        .recall(
          "trusted",
          Array.from({ length: 10 }, (_, n) => drv(n)),
          50 * HOUR,
        )
        .map((one) => one.drv),
    ).toEqual([drv(0), drv(8), drv(9)]);
    expect([
      memory.recallTree("k1", 0),
      memory.recallTree("k9", 0),
      memory.recallTree("k2", 0),
    ]).toMatchObject([{ key: "k1" }, { key: "k9" }, null]);
  }));

test("a commit's evaluation is for runs of no higher trust, bounded and for a time", () =>
  withMemory((memory) => {
    const DAY = 24 * HOUR;
    const keep = (sha: string, pool: "trusted" | "untrusted", blob: string, at = 0) =>
      memory.rememberEvaluation({ sha, pool, blob }, at);
    expect(keep("a", "untrusted", "a1")).toEqual([]);
    expect(memory.recallEvaluation("a", "trusted", 1)).toBeNull();
    expect(memory.recallEvaluation("a", "untrusted", 1)).toEqual({ blob: "a1" });
    expect(keep("a", "trusted", "a2")).toEqual(["a1"]);
    expect(keep("a", "untrusted", "a3")).toEqual(["a3"]);
    for (const pool of ["trusted", "untrusted"] as const)
      expect(memory.recallEvaluation("a", pool, 1)).toEqual({ blob: "a2" });
    keep("b", "trusted", "b1", 5 * DAY);
    keep("c", "trusted", "c1", 6 * DAY);
    // Used, and so the newest.
    expect(memory.recallEvaluation("a", "trusted", 7 * DAY)).not.toBeNull();
    expect(memory.prune(8 * DAY, { verdicts: 9, trees: 9, evaluations: 2 })).toEqual(["b1"]);
    expect(memory.recallEvaluation("c", "trusted", 37 * DAY)).toBeNull();
    expect(memory.prune(36 * DAY + 1)).toEqual(["c1"]);
    expect(memory.forgetAll()).toEqual(["a2"]);
  }));
