import { expect, describe, it } from "vitest";
import { DataReplyFrame, type DataReply, type ToRun } from "../../../src/protocol/data.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { attribute, type Bench, built, drv, evaluated, evaluating } from "./harness.ts";

const EXCHANGE = "e".repeat(64);
const SUCCEEDED: Verdict = { kind: "succeeded", reused: false };

/** What the attempt was answered, acknowledgements left out. */
function answers(sent: readonly string[]): DataReply[] {
  return sent
    .filter((text) => text.startsWith("{"))
    .map((text) => DataReplyFrame.parse(JSON.parse(text)).body)
    .filter(({ kind }) => kind !== "ack");
}

/** A run of a and b, of which b needs a feature: jobs 2 and 3, both offered. */
function twoJobs(test: (bench: Bench) => Promise<void>): Promise<void> {
  return evaluating({}, async (self) => {
    const { run, pass, frame, finish } = self;
    await run.offered("42-1.1", 1, "r1", EXCHANGE);
    const needs = attribute("b");
    if (needs.result.kind === "derivation") needs.result.derivation.features = ["big"];
    await frame(1, { kind: "attributes", attributes: [attribute("a"), needs] });
    await frame(1, evaluated);
    await finish(1);
    await pass();
    for (const job of [2, 3]) await run.offered(`42-1.${job}`, 1, `r${job}`, EXCHANGE);
    await test(self);
  });
}

const claim = (number: number, ...drvs: string[]): ToRun => ({
  kind: "claim",
  claim: number,
  drvs,
});
const needsOf = (goal: string, needed: string): ToRun => ({
  kind: "needs",
  exchange: true,
  needed: [
    {
      drv: needed,
      name: "n",
      system: "aarch64-linux",
      features: [],
      missing: ["system aarch64-linux"],
    },
  ],
  goals: [{ drv: goal, needs: [needed] }],
});

describe("jobs of a run with an exchange", () => {
  it("name it, and who evaluated", () =>
    twoJobs(async ({ neighbours }) => {
      expect(neighbours.queued.slice(1)).toMatchObject([
        { exchange: EXCHANGE },
        { exchange: EXCHANGE },
      ]);
    }));

  it("claim what they build: one has it, the other is told so, and gets it afterwards", () =>
    twoJobs(async ({ frame }) => {
      expect(answers(await frame(2, claim(1, drv("a"))))).toEqual([
        { kind: "claimed", claim: 1, held: [], failed: [] },
      ]);
      expect(answers(await frame(3, claim(1, drv("a"), drv("b"))))).toEqual([
        { kind: "claimed", claim: 1, held: [drv("a")], failed: [] },
      ]);
      await frame(2, { kind: "results", results: [built("a")] });
      await frame(2, { kind: "release", claim: 1 });
      expect(answers(await frame(3, claim(2, drv("a"), drv("b"))))).toEqual([
        { kind: "claimed", claim: 2, held: [], failed: [] },
      ]);
    }));

  it("do not get what has failed, as a goal or below one", () =>
    twoJobs(async ({ frame }) => {
      const failed: Verdict = { kind: "failed", drv: drv("a"), exitCode: 1, logTail: "no" };
      await frame(2, claim(1, drv("a"), drv("below")));
      await frame(2, { kind: "failed", failures: [{ drv: drv("below"), verdict: failed }] });
      await frame(2, { kind: "results", results: [built("a", failed)] });
      await frame(2, { kind: "release", claim: 1 });
      expect(answers(await frame(3, claim(1, drv("a"), drv("b"), drv("below"))))).toMatchObject([
        { held: [], failed: [{ drv: drv("a") }, { drv: drv("below") }] },
      ]);
    }));

  it("lose their claims with their attempt, or with their end", () =>
    twoJobs(async ({ run, frame, finish }) => {
      await frame(2, claim(1, drv("a")));
      await run.offered("42-1.2", 2, "r4", EXCHANGE);
      expect(answers(await frame(3, claim(1, drv("a"))))).toMatchObject([{ held: [] }]);
      await finish(3);
      expect(answers(await frame(2, claim(1, drv("a")), { attempt: 2 }))).toMatchObject([
        { held: [] },
      ]);
    }));

  it("lose them to whoever waits when nothing is heard of them, and are over", () =>
    twoJobs(async ({ run, frame }) => {
      await frame(2, claim(1, drv("a")));
      await run.adrift("42-1.2", 1);
      // It was only away: nobody had asked.
      expect(answers(await frame(2, claim(2, drv("c"))))).toMatchObject([{ held: [] }]);
      expect(answers(await frame(3, claim(1, drv("a"))))).toMatchObject([{ held: [drv("a")] }]);
      await run.adrift("42-1.2", 1);
      expect(answers(await frame(3, claim(2, drv("a"))))).toMatchObject([{ held: [] }]);
      expect(answers(await frame(2, { kind: "release", claim: 1 }))).toMatchObject([
        { kind: "stale" },
      ]);
    }));

  it("give goals back that wait for another's part, which becomes a job; then they go on", () =>
    twoJobs(async ({ run, neighbours, pass, frame, finish }) => {
      const part = drv("part");
      await frame(3, needsOf(drv("b"), part));
      await finish(3);
      await pass();
      expect(neighbours.queued.at(-1)).toMatchObject({
        job: "42-1.4",
        needs: { system: "aarch64-linux" },
        work: { derivations: [{ drv: part, path: attribute("b").path }] },
      });
      await run.offered("42-1.4", 1, "r5", EXCHANGE);
      await frame(4, { kind: "results", results: [built("b", SUCCEEDED, null, part)] });
      await finish(4);
      await pass();
      expect(neighbours.queued.at(-1)).toMatchObject({
        job: "42-1.5",
        needs: { features: ["big"] },
        work: { derivations: [{ drv: drv("b") }] },
      });
      await run.offered("42-1.5", 1, "r3", EXCHANGE);
      await frame(5, { kind: "results", results: [built("b")] });
      await finish(5);
      await frame(2, { kind: "results", results: [built("a")] });
      await finish(2);
      await pass();
      expect(neighbours.checks()["snowcat"]?.conclusion).toBe("success");
    }));

  it("say so when nobody could build that part for them", () =>
    twoJobs(async ({ neighbours, pass, frame, finish }) => {
      neighbours.reach = { anybody: null, partners: ["system aarch64-linux"] };
      await frame(2, needsOf(drv("a"), drv("part")));
      await pass();
      neighbours.reach = { anybody: ["system aarch64-linux"], partners: null };
      await frame(3, needsOf(drv("b"), drv("other")));
      await finish(2);
      await finish(3);
      await pass();
      const { summary = "", text } = neighbours.checks()["snowcat / build"] ?? {};
      expect(`${summary}${text}`).toContain("only another runner can build");
      expect(`${summary}${text}`).toContain("no-runner");
      expect(neighbours.checks()["snowcat"]?.conclusion).not.toBe("success");
    }));
});
