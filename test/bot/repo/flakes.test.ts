import { reset, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, test } from "vitest";
import { Histories } from "../../../src/bot/objects/repo/histories.ts";
import { Memory } from "../../../src/bot/objects/repo/memory.ts";
import type { JudgedVerdict } from "../../../src/bot/objects/contracts.ts";
import { knownProvenance } from "../support/builder.ts";
import { repoStub } from "../support/objects.ts";

const DAY = 24 * 3_600_000;
const drv = (n: number) => `/nix/store/${"0".repeat(32)}-p${n}.drv`;
const attribute = "packages.x86_64-linux.p";
const log = (run: number) => ({ job: `1-${run}.2`, attempt: 1, stream: "p.drv" });
const told = (n: number, run: number): Omit<JudgedVerdict, "verdict" | "provenance"> => ({
  drv: drv(n),
  run: `1-${run}`,
  at: run,
  seconds: 2,
  log: log(run),
  attribute,
});
const passed = (n: number, run: number): JudgedVerdict => ({
  ...told(n, run),
  verdict: { kind: "succeeded", reused: false },
  provenance: knownProvenance(drv(n)),
});
const failed = (n: number, run: number): JudgedVerdict => ({
  ...told(n, run),
  verdict: { kind: "failed", drv: drv(n), exitCode: 1, logTail: "" },
  provenance: null,
});
const evidence = (run: number) => ({ run: `1-${run}`, at: run, log: log(run) });

afterEach(() => reset());
const withMemory = (work: (memory: Memory, sql: SqlStorage) => void) =>
  runInDurableObject(repoStub(302), (_repo, state) => {
    work(new Memory(state.storage.sql), state.storage.sql);
  });

test("failed, then passed: flaky, with both logs", () =>
  withMemory((memory) => {
    expect(memory.remember("trusted", [failed(1, 1)], 1)).toEqual([]);
    const flake = {
      drv: drv(1),
      attribute,
      times: 1,
      proof: { failed: evidence(1), passed: evidence(2), failures: 1, passes: 1 },
    };
    expect(memory.remember("trusted", [passed(1, 2)], 2)).toEqual([flake]);
    // A flaky pass is a pass; who reuses it is told what it is.
    expect(memory.recall("trusted", [drv(1)], 3)).toMatchObject([
      { verdict: { kind: "succeeded" }, flake },
    ]);
  }));

test("passed, then failed: flaky, and the failure is not reused", () =>
  withMemory((memory) => {
    memory.remember("trusted", [passed(1, 1)], 1);
    expect(memory.remember("trusted", [failed(1, 2)], 2)).toMatchObject([
      { proof: { failed: evidence(2), passed: evidence(1), failures: 1, passes: 1 } },
    ]);
    expect(memory.recall("trusted", [drv(1)], 3)).toEqual([]);
  }));

test("the pass is still known when the failure is no longer reused, for 30 days", () =>
  withMemory((memory) => {
    memory.remember("trusted", [failed(1, 1), failed(2, 1)], 1);
    memory.prune(DAY);
    expect(memory.remember("trusted", [passed(1, 2)], DAY)).toHaveLength(1);
    memory.prune(31 * DAY);
    expect(memory.remember("trusted", [passed(2, 2)], 31 * DAY)).toEqual([]);
  }));

test("the same run's word counts once, and a repetition of the call changes nothing", () =>
  withMemory((memory) => {
    const calls = [failed(1, 1), failed(1, 1), passed(1, 2), passed(1, 2), failed(1, 3)];
    const flakes = calls.flatMap((one) => memory.remember("trusted", [one], one.at));
    expect(flakes.at(-1)?.proof).toMatchObject({ failures: 2, passes: 1, failed: evidence(3) });
  }));

test("neither the surroundings, limits, hashes nor what was found in a store is evidence", () =>
  withMemory((memory) => {
    const others: JudgedVerdict["verdict"][] = [
      { kind: "infrastructure", message: "x", logTail: "" },
      { kind: "out-of-disk", logTail: "" },
      { kind: "out-of-memory", limitBytes: null, logTail: "" },
      { kind: "timed-out", limitSeconds: 1, logTail: "" },
      { kind: "silent", limitSeconds: 1, logTail: "" },
      { kind: "failed", drv: drv(1), exitCode: null, logTail: "" },
      { kind: "hash-mismatch", drv: drv(1), specified: "a", got: "b" },
      { kind: "dependency-failed", cause: drv(9), verdict: "hash-mismatch", logTail: "" },
      { kind: "cancelled", by: "x" },
      { kind: "no-runner", missing: [] },
    ];
    for (const [n, verdict] of others.entries()) {
      const one = { ...failed(n, 1), verdict };
      expect(memory.remember("trusted", [one], 1), verdict.kind).toEqual([]);
      expect(memory.remember("trusted", [passed(n, 2)], 2), verdict.kind).toEqual([]);
      expect(memory.remember("trusted", [{ ...one, run: "1-3", at: 3 }], 3)).toEqual([]);
    }
    memory.remember("trusted", [failed(50, 1)], 1);
    expect(memory.remember("trusted", [{ ...passed(50, 2), seconds: 0 }], 2)).toEqual([]);
  }));

test("a dependency that failed is the attribute's failure; of many that hang on it some are noted", () =>
  withMemory((memory, sql) => {
    const below = (n: number): JudgedVerdict => ({
      ...failed(n, 1),
      verdict: { kind: "dependency-failed", cause: drv(999), verdict: "failed", logTail: "" },
    });
    memory.remember(
      "trusted",
      Array.from({ length: 100 }, (_, n) => below(n)),
      1,
    );
    expect(sql.exec("SELECT drv FROM history").toArray()).toHaveLength(20);
    expect(memory.remember("trusted", [passed(0, 2)], 2)).toHaveLength(1);
  }));

test("an attribute that was flaky of late says so when another derivation of it fails, in its own pool", () =>
  withMemory((memory) => {
    memory.remember("untrusted", [failed(1, 1)], 1);
    memory.remember("untrusted", [passed(1, 2)], 2);
    expect(memory.remember("trusted", [failed(2, 3)], 3)).toEqual([]);
    expect(memory.remember("untrusted", [failed(2, 3)], 3)).toEqual([
      { drv: drv(2), proof: null, attribute, times: 1 },
    ]);
    const slow: JudgedVerdict["verdict"] = { kind: "timed-out", limitSeconds: 1, logTail: "" };
    expect(memory.remember("untrusted", [{ ...failed(3, 4), verdict: slow }], 4)).toMatchObject([
      { proof: null, times: 1 },
    ]);
    expect(memory.remember("untrusted", [failed(4, 31)], 31 * DAY)).toEqual([]);
  }));

test("the past is bounded in each pool, what is flaky stays longest, another owner's goes", () =>
  withMemory((memory, sql) => {
    const histories = new Histories(sql);
    memory.remember("trusted", [failed(1, 1)], 1);
    memory.remember("trusted", [passed(1, 2)], 2);
    for (let n = 2; n < 10; n += 1) memory.remember("trusted", [failed(n, n)], n);
    for (let n = 20; n < 60; n += 1) memory.remember("untrusted", [failed(n, n)], n);
    histories.prune(100, 3);
    const left = (pool: string) =>
      sql
        .exec<{ drv: string }>("SELECT drv FROM history WHERE pool = ? ORDER BY at", pool)
        .toArray()
        .map((row) => row.drv);
    expect(left("trusted")).toEqual([drv(1), drv(8), drv(9)]);
    expect(left("untrusted")).toHaveLength(3);
    memory.forgetAll();
    expect([...left("trusted"), ...left("untrusted")]).toEqual([]);
  }));
