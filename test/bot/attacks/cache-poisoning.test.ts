import { reset } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { JudgedVerdict } from "../../../src/bot/objects/contracts.ts";
import { enrolled, TestRunner } from "../fleet/runner.ts";
import { newFleet, newJob, spyRuns } from "../fleet/world.ts";
import { attribute, built, drv, evaluated, evaluating, HEAD, MERGE } from "../run/harness.ts";
import { knownProvenance, signed } from "../support/builder.ts";
import { repoStub } from "../support/objects.ts";

/**
 * Cache poisoning by untrusted pushes: elsewhere what a fork's build had pushed was taken by the next build of the
 * default branch. Here nothing that an untrusted pool has made is known, read or waited for in a trusted one.
 */

afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

const success: JudgedVerdict = {
  drv: drv("a"),
  verdict: { kind: "succeeded", reused: false },
  run: "501-1",
  at: Date.now(),
  seconds: 3,
  provenance: knownProvenance(drv("a")),
  log: null,
  attribute: "packages.x86_64-linux.a",
};

describe("what a fork's run came to", () => {
  it("is no verdict, no evaluation and no past of the repository's own", async () => {
    const repo = repoStub(501);
    await repo.remember("untrusted", [success]);
    expect(await repo.recall("untrusted", [drv("a")])).toHaveLength(1);
    expect(await repo.recall("trusted", [drv("a")])).toEqual([]);
    await repo.rememberEvaluation({ sha: HEAD, pool: "untrusted", blob: "evil" });
    expect(await repo.recallEvaluation(HEAD, "untrusted")).toEqual({ blob: "evil" });
    expect(await repo.recallEvaluation(HEAD, "trusted")).toBeNull();
    const failure = {
      ...success,
      run: "501-2",
      verdict: { kind: "failed" as const, drv: drv("a"), exitCode: 1, logTail: "" },
      provenance: null,
    };
    expect(await repo.remember("trusted", [failure])).toEqual([]);
    expect(await repo.remember("untrusted", [failure])).toHaveLength(1);
  });

  it("is no judged tree of the repository's own, though the tree is the same", async () => {
    const keys: (string | undefined)[] = [];
    for (const fork of [false, true]) {
      const change = {
        approved: fork ? HEAD : null,
        reason: {
          kind: "pull_request" as const,
          number: 5,
          head: HEAD,
          headRef: "topic",
          base: "3".repeat(40),
          baseRef: "main",
          fork,
          author: "eve",
        },
      };
      await evaluating(change, async ({ neighbours, pass, frame, finish }) => {
        expect(neighbours.queued).toMatchObject([{ pool: fork ? "untrusted" : "trusted" }]);
        await frame(1, { kind: "attributes", attributes: [attribute("a")] });
        await frame(1, evaluated);
        await finish(1);
        await pass();
        await frame(2, { kind: "results", results: [built("a")] });
        await finish(2);
        await pass(60_000);
        keys.push(neighbours.trees[0]?.key);
      });
    }
    expect(keys).toEqual([expect.any(String), expect.any(String)]);
    expect(keys[0]).not.toBe(keys[1]);
  });
});

describe("an untrusted runner", () => {
  it("is given no job of a trusted pool, not even where there is no other", async () => {
    spyRuns();
    const { account, fleet } = newFleet();
    const runner = await TestRunner.connect(
      fleet,
      await enrolled(fleet, account, { pool: "untrusted" }),
    );
    runner.hello({});
    await runner.nth("welcome", 0);
    expect(await fleet.enqueue(account, newJob())).toMatchObject({ outcome: "no-runner" });
    const own = newJob({ pool: "untrusted" });
    expect(await fleet.enqueue(account, own)).toEqual({ outcome: "queued" });
    await runner.offer(own.job, 1);
  });

  it("is not let in with an exchange that a trusted one has", async () => {
    spyRuns();
    const { account, fleet } = newFleet();
    const socket = async (pool: "trusted" | "untrusted") => {
      const one = await TestRunner.connect(fleet, await enrolled(fleet, account, { pool }));
      one.hello({ exchange: "e".repeat(64) });
      return one;
    };
    await (await socket("trusted")).nth("welcome", 0);
    expect(await (await socket("untrusted")).closed).toBe(1008);
  });

  it.each([
    ["another key than was enrolled for the attempt", btoa("y".repeat(32)), {}],
    ["the enrolled one", undefined, { succeeded: 1 }],
  ])("makes a success in a run by its signature alone: %s", (_name, key, counts) =>
    evaluating({}, async ({ run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass();
      const result = signed(built("a"), 42, MERGE);
      await frame(2, { kind: "results", results: [result] }, key === undefined ? {} : { key });
      expect((await run.view())?.counts).toEqual(counts);
    }),
  );
});
