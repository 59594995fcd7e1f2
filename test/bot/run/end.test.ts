import { describe, expect, it } from "vitest";
import { attribute, built, drv, evaluated, evaluating, type Neighbours } from "./harness.ts";
import { knownProvenance } from "../support/builder.ts";

describe("what is not done again", () => {
  it("replays a judged tree without a job", async () => {
    let earlier: Neighbours["earlier"] = null;
    await evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, {
        kind: "attributes",
        attributes: [attribute("a"), attribute("b", "aarch64-linux")],
      });
      await finish(1);
      await pass();
      await frame(2, { kind: "results", results: [built("a")] });
      await finish(2);
      await pass();
      const view = await run.view();
      if (view !== null)
        earlier = { view: { ...view, run: "42-77" }, attributes: await run.attributes(0, 10) };
      expect(neighbours.queued).toHaveLength(2);
    });
    const remember = (neighbours: Neighbours) =>
      Object.assign(neighbours, { tree: { key: "", run: "42-77", at: 0 }, earlier });
    await evaluating(
      {},
      async (second) => {
        expect(second.neighbours.queued).toEqual([]);
        expect(await second.run.view()).toMatchObject({ conclusion: "success", state: "finished" });
        expect(await second.run.attributes(0, 10)).toMatchObject([
          { path: ["packages", "x86_64-linux", "a"], verdict: { kind: "succeeded", reused: true } },
          { verdict: { kind: "evaluated-only" } },
        ]);
        expect(second.neighbours.checks()["snowcat"]?.summary).toContain("`42-77`");
        expect(second.neighbours.trees).toEqual([]);
      },
      remember,
    );
    await evaluating(
      { fresh: true },
      async (third) => expect(third.neighbours.queued).toHaveLength(1),
      remember,
    );
  });

  it("builds nothing that is known in the pool; a person's re-run tries failures again", async () => {
    const known = [
      {
        drv: drv("a"),
        verdict: { kind: "succeeded", reused: false } as const,
        run: "42-9",
        at: 999_000,
        seconds: 5,
        provenance: knownProvenance(drv("a")),
        log: null,
      },
      {
        drv: drv("b"),
        verdict: { kind: "failed", drv: drv("b"), exitCode: 1, logTail: "" } as const,
        run: "42-9",
        at: 999_000,
        seconds: 5,
        provenance: null,
        log: null,
      },
    ];
    for (const fresh of [false, true]) {
      await evaluating({ fresh }, async ({ neighbours, pass, frame, finish }) => {
        neighbours.known = known;
        await frame(1, { kind: "attributes", attributes: [attribute("a"), attribute("b")] });
        await finish(1);
        await pass();
        expect(
          neighbours.queued
            .slice(1)
            .map(({ work }) =>
              work.kind === "build" ? work.derivations.map((one) => one.drv) : [],
            ),
        ).toEqual(fresh ? [[drv("a"), drv("b")]] : []);
        if (!fresh) expect(neighbours.checks()["snowcat"]?.conclusion).toBe("failure");
      });
    }
  });
});

describe("checks of root causes", () => {
  const fails = (name: string) =>
    ({ kind: "failed", drv: drv(name), exitCode: 1, logTail: "" }) as const;
  const name = (n: number) => `a${n}`;
  const path = (n: number) => `/nix/store/${String(n).padStart(32, "0")}-${name(n)}.drv`;

  it("are never more than the cap, in whatever order the causes come", () =>
    evaluating({}, async ({ neighbours, pass, frame, finish }) => {
      const all = Array.from({ length: 90 }, (_, n) => n);
      await frame(1, {
        kind: "attributes",
        attributes: all.map((n) => attribute(name(n), "x86_64-linux", path(n))),
      });
      await finish(1);
      await pass();
      const fail = (n: number) => ({
        ...built(name(n)),
        drv: path(n),
        verdict: { ...fails("a"), drv: path(n) },
      });
      await frame(2, { kind: "results", results: all.slice(45).map(fail) });
      await pass(10_000);
      await frame(2, { kind: "results", results: all.slice(0, 45).map(fail) });
      await finish(2);
      await pass(10_000);
      const checks = neighbours.checks();
      expect(Object.keys(checks)).toHaveLength(3 + 40);
      expect(checks["snowcat"]).toMatchObject({ status: "completed", conclusion: "failure" });
    }));

  it("link to a log by the name a log can have, and by no other", () =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass();
      await frame(2, {
        kind: "results",
        results: [built("a", fails("a"), "a) <b>@all</b> [x](//evil")],
      });
      await finish(2);
      await pass();
      expect((await run.attributes(0, 1))[0]?.log).toBeNull();
      expect(JSON.stringify(neighbours.checks())).not.toContain("evil");
    }));
});

describe("what goes wrong", () => {
  it("names what no runner has, and blocks the merge", () =>
    evaluating(
      {},
      async ({ neighbours, pass, frame, finish }) => {
        neighbours.missing = ({ needs }) =>
          needs.system === "aarch64-linux" ? ["system aarch64-linux"] : null;
        await frame(1, { kind: "attributes", attributes: [attribute("a", "aarch64-linux")] });
        await finish(1);
        await pass();
        expect(neighbours.checks()["snowcat"]).toMatchObject({ conclusion: "action_required" });
        expect(neighbours.checks()["snowcat / build"]?.text).toContain("`system aarch64-linux`");
      },
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., systems: [aarch64-linux] }]\n";
      },
    ));

  it("tries once more what the infrastructure failed, then says so", () =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a"), attribute("b")] });
      await finish(1);
      await pass();
      await frame(2, { kind: "results", results: [built("a")] });
      const lost = { kind: "infrastructure", message: "the runner vanished", logTail: "" } as const;
      await finish(2, lost);
      await pass(9_000);
      expect(neighbours.queued.length).toBe(2);
      await pass(1_000);
      expect(neighbours.queued[2]).toMatchObject({
        job: "42-1.3",
        work: { derivations: [{ drv: drv("b") }] },
      });
      await finish(3, lost);
      await pass(10_000);
      expect(await run.view()).toMatchObject({
        state: "finished",
        conclusion: "action_required",
        counts: { succeeded: 1, infrastructure: 1 },
      });
      expect(neighbours.trees).toEqual([]);
    }));

  it("tries a derivation once more that the infrastructure failed, after a pause, and nothing else", () =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, {
        kind: "attributes",
        attributes: ["a", "b", "c"].map((name) => attribute(name)),
      });
      await finish(1);
      await pass();
      const away = { kind: "infrastructure", message: "HTTP error 429", logTail: "" } as const;
      const failed = { kind: "failed", drv: drv("c"), exitCode: 1, logTail: "" } as const;
      await frame(2, {
        kind: "results",
        results: [built("a", away), built("b", away), built("c", failed)],
      });
      await finish(2);
      // The failure of a builder stands; it is shown before anything is tried again.
      expect((await run.view())?.counts).toEqual({ failed: 1 });
      await pass(29_000);
      expect(neighbours.queued.length).toBe(2);
      await pass(1_000);
      expect(neighbours.queued[2]?.work).toMatchObject({
        derivations: [{ drv: drv("a") }, { drv: drv("b") }],
      });
      await frame(3, { kind: "results", results: [built("a"), built("b", away)] });
      await finish(3);
      await pass(60_000);
      expect(neighbours.queued.length).toBe(3);
      expect(await run.view()).toMatchObject({
        state: "finished",
        conclusion: "failure",
        counts: { succeeded: 1, failed: 1, infrastructure: 1 },
      });
    }));

  it("counts an attempt that was lost with its runner as the one retry", () =>
    evaluating({}, async ({ neighbours, run, pass, finish }) => {
      await run.started("42-1.1", 1, "r1");
      await run.offered("42-1.1", 2, "r2", null);
      await run.started("42-1.1", 2, "r2");
      await finish(1, { kind: "infrastructure", message: "lost twice", logTail: "" }, 2);
      await pass(60_000);
      expect(neighbours.queued.length).toBe(1);
      expect(await run.view()).toMatchObject({ state: "finished", conclusion: "action_required" });
    }));

  it("ends a superseded run everywhere, once", () =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a"), attribute("b")] });
      await run.supersede("42-2", false);
      await pass();
      expect(neighbours.cancelled).toEqual(["42-1.1"]);
      expect(await run.view()).toMatchObject({
        state: "finished",
        conclusion: "cancelled",
        counts: { superseded: 2 },
      });
      for (const check of Object.values(neighbours.checks()))
        expect(check).toMatchObject({ status: "completed", conclusion: "cancelled" });
      expect(await finish(1)).toBe("known");
      await pass(60_000);
      expect(await run.view()).toMatchObject({ conclusion: "cancelled" });
    }));

  it("requires what was declared and is not there", () =>
    evaluating({}, async ({ neighbours, pass, frame, finish }) => {
      await frame(1, { ...evaluated, missing: ["push"] } as typeof evaluated);
      await finish(1);
      await pass();
      expect(neighbours.checks()["snowcat"]).toMatchObject({ conclusion: "action_required" });
      expect(neighbours.checks()["snowcat / evaluation"]?.text).toContain("`push`");
    }));

  it("builds at once what comes first, then in jobs of 500 while it still evaluates", () =>
    evaluating({}, async ({ neighbours, pass, frame, finish }) => {
      const names = Array.from({ length: 900 }, (_, n) => `p${n}`);
      for (let at = 0; at < 900; at += 150) {
        await frame(1, {
          kind: "attributes",
          attributes: names
            .slice(at, at + 150)
            .map((name, n) =>
              attribute(
                name,
                "x86_64-linux",
                `/nix/store/${String(at + n).padStart(32, "0")}-${name}.drv`,
              ),
            ),
        });
        await pass();
      }
      expect(
        neighbours.queued
          .slice(1)
          .map(({ work }) => (work.kind === "build" ? work.derivations.length : 0)),
      ).toEqual([150, 500]);
      await finish(1);
      await pass();
      expect(
        neighbours.queued
          .slice(1)
          .map(({ work }) => (work.kind === "build" ? work.derivations.length : 0)),
      ).toEqual([150, 500, 250]);
    }));
});
