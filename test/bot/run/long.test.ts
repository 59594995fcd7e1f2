import { ATTRIBUTE_BATCH } from "../../../src/protocol/attribute.ts";
import { expect, describe, it } from "vitest";
import type { Neighbours } from "./harness.ts";
import { attribute, type Bench, built, drv, evaluated, evaluating } from "./harness.ts";

const MINUTE = 60_000;
const failed = { kind: "failed", drv: drv("b"), exitCode: 1, logTail: "boom" } as const;

/** A run of two attributes, to its end. */
async function judge({ pass, frame, finish }: Bench): Promise<void> {
  await frame(1, { kind: "attributes", attributes: [attribute("a"), attribute("b")] });
  await frame(1, evaluated);
  await finish(1);
  await pass();
  await frame(2, { kind: "results", results: [built("a"), built("b", failed)] });
  await finish(2);
  await pass();
}

const rows = ({ sql }: Bench) =>
  sql
    .exec<{ n: number }>(
      "SELECT (SELECT count(*) FROM attribute) + (SELECT count(*) FROM derivation) AS n",
    )
    .one().n;

describe("a run that is over", () => {
  it("leaves its rows to the archive, and is read as before", () =>
    evaluating({}, async (self) => {
      await judge(self);
      const before = { view: await self.run.view(), attributes: await self.run.attributes(0, 10) };
      expect(rows(self)).toBe(4);
      await self.pass(11 * MINUTE);
      expect(rows(self)).toBe(0);
      expect(await self.run.view()).toEqual(before.view);
      expect(await self.run.attributes(0, 10)).toEqual(before.attributes);
      expect(await self.run.attributes(1, 10)).toEqual(before.attributes.slice(1));
      expect(await self.run.attributes(0, 1)).toEqual(before.attributes.slice(0, 1));
      expect(await self.run.attributes(2, 10)).toEqual([]);
      // What comes late changes neither, and asks for nothing.
      const said = self.neighbours.desired.length;
      expect(await self.finish(2, failed)).toBe("refused");
      expect((await self.frame(2, { kind: "results", results: [built("a")] })).join()).toContain(
        "stale",
      );
      await self.run.supersede("run 9", true);
      await self.pass(60 * MINUTE);
      expect(self.neighbours.desired).toHaveLength(said);
      expect(await self.run.view()).toEqual(before.view);
    }));

  it.each(["put runs/42-1/run.json", "desire", "finished", "remember"])(
    "keeps them as long as %s has not come through",
    (away) =>
      evaluating({}, async (self) => {
        self.neighbours.failing.add(away);
        await judge(self);
        await self.pass(30 * MINUTE);
        expect(rows(self)).toBe(4);
        self.neighbours.failing.clear();
        await self.pass(30 * MINUTE);
        expect(rows(self)).toBe(0);
      }),
  );

  it("writes the archive again where a part of it is gone before the rows are", () =>
    evaluating({}, async (self) => {
      await judge(self);
      self.neighbours.blobs.delete("runs/42-1/attributes-0.ndjson");
      await self.pass(30 * MINUTE);
      expect(rows(self)).toBe(0);
      expect(await self.run.attributes(0, 10)).toHaveLength(2);
    }));
});

describe("a tree that was judged long ago", () => {
  it("is evaluated again where the earlier run cannot be read any more", async () => {
    let earlier: Neighbours["earlier"] = null;
    await evaluating({}, async (self) => {
      await self.frame(1, { kind: "attributes", attributes: [] });
      await self.finish(1);
      await self.pass();
      const view = await self.run.view();
      if (view !== null) earlier = { view: { ...view, run: "42-77" }, attributes: [] };
    });
    await evaluating(
      {},
      async ({ neighbours, pass }) => {
        expect(neighbours.queued).toEqual([]);
        await pass(MINUTE);
        expect(neighbours.queued).toMatchObject([{ kind: "evaluate" }]);
      },
      (neighbours) => {
        neighbours.failing.add("attributes");
        Object.assign(neighbours, { tree: { key: "", run: "42-77", at: 0 }, earlier });
      },
    );
  });
});

describe("a job that the Fleet has forgotten", () => {
  it("is queued again as it is while nobody had it", () =>
    evaluating({}, async ({ neighbours, pass }) => {
      await pass(60 * MINUTE);
      expect(neighbours.queued.map(({ job }) => job)).toEqual(["42-1.1"]);
      neighbours.fleet.clear();
      await pass(11 * MINUTE);
      expect(neighbours.queued.map(({ job }) => job)).toEqual(["42-1.1", "42-1.1"]);
    }));

  it("becomes another job once it had an attempt, whose number could not be told from the new ones", () =>
    evaluating({}, async ({ run, neighbours, pass, frame, finish }) => {
      await run.offered("42-1.1", 2, "r1", null);
      neighbours.fleet.clear();
      await pass(11 * MINUTE);
      expect(neighbours.queued.map(({ job }) => job)).toEqual(["42-1.1", "42-1.1", "42-1.2"]);
      expect(neighbours.cancelled).toEqual(["42-1.1"]);
      await frame(2, { kind: "attributes", attributes: [] });
      await finish(2);
      await pass();
      expect(await run.view()).toMatchObject({ state: "finished", conclusion: "success" });
      const calls = neighbours.calls.length;
      await pass(60 * MINUTE);
      expect(neighbours.calls.slice(calls)).not.toContain("enqueue");
    }));

  it("is not waited for longer than a week", () =>
    evaluating({}, async (self) => {
      await self.pass(6 * 24 * 60 * MINUTE);
      expect(await self.run.view()).toMatchObject({ state: "evaluating" });
      await self.pass(2 * 24 * 60 * MINUTE);
      expect(await self.run.view()).toMatchObject({
        state: "finished",
        conclusion: "action_required",
      });
      expect(self.neighbours.cancelled).toEqual(["42-1.1"]);
    }));
});

describe("progress", () => {
  it("is told by the overall check alone, at growing pauses, and only where something changed", () =>
    evaluating({}, async ({ neighbours, pass, frame }) => {
      for (let n = 0; n < 600; n += 1) {
        await frame(1, { kind: "attributes", attributes: [attribute(`a${n}`)] });
        await pass(6_000);
      }
      const told = neighbours.desired.map(({ name }) => name);
      expect(told.filter((name) => name === "snowcat / evaluation")).toHaveLength(1);
      expect(told.filter((name) => name === "snowcat / build").length).toBeLessThanOrEqual(2);
      const overall = told.filter((name) => name === "snowcat").length;
      expect(overall).toBeGreaterThan(30);
      expect(overall).toBeLessThan(70);
      const { length } = neighbours.desired;
      await pass(60 * MINUTE);
      expect(neighbours.desired.length - length).toBeLessThanOrEqual(1);
    }));
});

describe("rows read and written", () => {
  /** A run of so many attributes, in frames of 200, a second apart; `name` says which derivation each is. */
  async function count(attributes: number, name: (n: number) => string) {
    let counted = { read: 0, written: 0 };
    await evaluating({}, async (self) => {
      const path = (n: number) => `/nix/store/${String(n).padStart(32, "0")}-${name(n)}.drv`;
      const drvOf = (n: number) => path(Number(name(n).slice(1)));
      const all = Array.from({ length: attributes }, (_, n) => n);
      const batches = Array.from({ length: attributes / 200 }, (_, n) =>
        all.slice(n * 200, n * 200 + 200),
      );
      for (const batch of batches) {
        await self.frame(1, {
          kind: "attributes",
          attributes: batch.map((n) => attribute(`a${n}`, "x86_64-linux", drvOf(n))),
        });
        await self.pass(1_000);
      }
      await self.frame(1, { ...evaluated, missing: [] } as typeof evaluated);
      await self.finish(1);
      await self.pass(1_000);
      for (const job of self.neighbours.queued.slice(1)) {
        const number = Number(job.job.slice(job.job.lastIndexOf(".") + 1));
        const { work } = job;
        if (work.kind !== "build") throw new Error("only the first job evaluates");
        for (let at = 0; at < work.derivations.length; at += ATTRIBUTE_BATCH.size) {
          await self.frame(number, {
            kind: "results",
            results: work.derivations.slice(at, at + ATTRIBUTE_BATCH.size).map((one) => ({
              selection: 0,
              path: one.path,
              drv: one.drv,
              verdict: { kind: "succeeded", reused: false },
              seconds: 1,
              log: null,
            })),
          });
        }
        await self.finish(number);
        await self.pass(1_000);
      }
      expect(await self.run.view()).toMatchObject({
        state: "finished",
        conclusion: "success",
        counts: { succeeded: attributes },
      });
      await self.pass(11 * MINUTE);
      expect(rows(self)).toBe(0);
      counted = self.rows();
    });
    return counted;
  }

  it.each([
    ["each a derivation of its own", (n: number) => `d${n}`],
    ["all of them one derivation", () => "d0"],
  ])(
    "grow no faster than the attributes: %s",
    async (_case, name) => {
      const [small, large] = [await count(2_000, name), await count(10_000, name)];
      console.log(JSON.stringify({ small, large }));
      expect(large.read).toBeLessThan(small.read * 5.2);
      expect(large.written).toBeLessThan(small.written * 5.2);
      expect(large.written / 10_000).toBeLessThan(30);
    },
    60_000,
  );
});
