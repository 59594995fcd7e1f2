import { describe, expect, it } from "vitest";
import {
  attribute,
  bench,
  BASE,
  broken,
  built,
  drv,
  evaluated,
  evaluating,
  HEAD,
  MERGE,
  request,
  TREE,
} from "./harness.ts";

describe("from a pull request to its checks", () => {
  it("evaluates the test merge, builds, and reports on the head: three check runs, all green", () =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      expect(neighbours.queued).toMatchObject([
        {
          job: "42-1.1",
          kind: "evaluate",
          pool: "trusted",
          installation: 7,
          needs: { system: null, features: [] },
          work: { source: { ref: "refs/pull/5/merge", sha: MERGE, tree: TREE } },
        },
      ]);
      await run.offered("42-1.1", 1, "r1", null);
      await run.started("42-1.1", 1, "r1");
      await frame(1, {
        kind: "attributes",
        attributes: [
          attribute("a"),
          attribute("b"),
          attribute("alias", "x86_64-linux", drv("a")),
          attribute("other", "aarch64-linux"),
        ],
      });
      await frame(1, evaluated);
      expect(await finish(1)).toBe("applied");
      await pass();
      expect(neighbours.queued[1]).toMatchObject({
        job: "42-1.2",
        kind: "build",
        needs: { system: "x86_64-linux" },
        prefer: "r1",
        work: { derivations: [{ drv: drv("a") }, { drv: drv("b") }] },
      });
      await frame(2, { kind: "results", results: [built("a"), built("b")] });
      expect(await finish(2)).toBe("applied");
      await pass();
      const checks = neighbours.checks();
      expect(Object.keys(checks).toSorted()).toEqual([
        "snowcat",
        "snowcat / build",
        "snowcat / evaluation",
      ]);
      for (const check of Object.values(checks))
        expect(check).toMatchObject({
          head: HEAD,
          status: "completed",
          conclusion: "success",
          detailsUrl: "https://snowcat.example/runs/42-1",
        });
      expect(await run.view()).toMatchObject({
        state: "finished",
        conclusion: "success",
        counts: { succeeded: 3, "evaluated-only": 1 },
        merge: MERGE,
      });
      expect(neighbours.over).toEqual(["success"]);
      expect(neighbours.remembered.map((one) => one.drv).toSorted()).toEqual([drv("a"), drv("b")]);
      expect(neighbours.trees).toMatchObject([{ run: "42-1" }]);
      expect(neighbours.calls).not.toContain("put runs/42-1/run.json");
      await pass(2_000);
      expect(neighbours.calls).toContain("put runs/42-1/run.json");
    }));

  it("starts once", () =>
    evaluating({}, async ({ neighbours, run, pass }) => {
      await run.start(request());
      await pass();
      expect(neighbours.queued).toHaveLength(1);
    }));

  it("fails what fails, under its root cause, with the log's end; the rest passes", () =>
    evaluating({}, async ({ neighbours, pass, frame, finish }) => {
      await frame(1, {
        kind: "attributes",
        attributes: [attribute("a"), attribute("b"), attribute("c"), broken("d")],
      });
      await finish(1);
      await pass();
      const failed = { kind: "failed", drv: drv("b"), exitCode: 2, logTail: "boom" } as const;
      await frame(2, {
        kind: "results",
        results: [
          built("a"),
          built("b", failed, "b.drv"),
          built("c", {
            kind: "dependency-failed",
            cause: drv("b"),
            verdict: "failed",
            logTail: "boom",
          }),
        ],
      });
      await finish(2);
      await pass();
      const checks = neighbours.checks();
      expect(Object.keys(checks).toSorted()).toEqual([
        "snowcat",
        "snowcat / build",
        "snowcat / evaluation",
        "snowcat / packages.x86_64-linux.b",
        "snowcat / packages.x86_64-linux.d",
      ]);
      for (const check of Object.values(checks)) expect(check.conclusion).toBe("failure");
      expect(checks["snowcat / packages.x86_64-linux.b"]?.text).toContain(
        "`packages.x86_64-linux.c`",
      );
      expect(checks["snowcat / packages.x86_64-linux.b"]?.summary).toContain(
        "/runs/42-1/logs/42-1.2/1/b.drv",
      );
      expect(checks["snowcat / evaluation"]?.annotations).toMatchObject([
        { path: "flake.nix", start_line: 3 },
      ]);
      expect(neighbours.remembered.map(({ drv: one, verdict }) => [one, verdict.kind])).toEqual(
        expect.arrayContaining([[drv("b"), "failed"]]),
      );
      expect(neighbours.trees).toEqual([]);
    }));

  it("takes each frame once, and none of an attempt that another followed", () =>
    evaluating({}, async ({ run, frame }) => {
      await run.offered("42-1.1", 1, "r1", null);
      await frame(1, { kind: "attributes", attributes: [attribute("a")] }, { seq: 1 });
      await frame(1, { kind: "attributes", attributes: [attribute("zzz")] }, { seq: 1 });
      expect((await run.attributes(0, 10)).map(({ name }) => name)).toEqual([
        "packages.x86_64-linux.a",
      ]);
      await run.offered("42-1.1", 2, "r2", null);
      const replies = await frame(
        1,
        { kind: "attributes", attributes: [attribute("b")] },
        { seq: 2 },
      );
      expect(replies.join("\n")).toContain('"kind":"stale"');
      expect(await run.attributes(0, 10)).toHaveLength(1);
      const again = await frame(
        1,
        { kind: "attributes", attributes: [attribute("a"), attribute("b")] },
        { attempt: 2 },
      );
      expect(again.join("\n")).not.toContain("stale");
      expect(await run.attributes(0, 10)).toHaveLength(2);
    }));

  it("applies a job's verdict once and refuses another", () =>
    evaluating({}, async ({ finish }) => {
      expect(await finish(1)).toBe("applied");
      expect(await finish(1)).toBe("known");
      expect(await finish(1, { kind: "cancelled", by: "x" })).toBe("refused");
    }));
});

describe("what stands before the first job", () => {
  it("waits for GitHub's merge, asks ¼, ½, 1, 2, 4, 8, 15, 30 s apart, and gives up after five minutes", () =>
    bench(async ({ neighbours, run, pass }) => {
      neighbours.pull = {
        ok: true,
        value: { state: "open", head: HEAD, base: BASE, merge: { kind: "pending" } },
      };
      await run.start(request());
      await pass(20_000);
      expect(neighbours.calls.filter((call) => call === "pull")).toHaveLength(7);
      expect(neighbours.checks()["snowcat"]).toMatchObject({ status: "in_progress" });
      await pass(300_000);
      expect(neighbours.checks()["snowcat"]).toMatchObject({
        conclusion: "action_required",
        title: "Infrastructure failure",
      });
      expect(neighbours.queued).toEqual([]);
    }));

  it("says a conflict at once", () =>
    evaluating(
      {},
      async ({ neighbours, run }) => {
        expect(neighbours.checks()["snowcat"]).toMatchObject({
          conclusion: "action_required",
          title: "Merge conflict",
          head: HEAD,
        });
        expect((await run.view())?.state).toBe("finished");
      },
      (neighbours) => {
        neighbours.pull = {
          ok: true,
          value: { state: "open", head: HEAD, base: BASE, merge: { kind: "conflict" } },
        };
      },
    ));

  it("lets a fork wait for an approval that names its very commit", () =>
    evaluating(
      {
        reason: {
          kind: "pull_request",
          number: 5,
          head: HEAD,
          headRef: "topic",
          base: BASE,
          baseRef: "main",
          fork: true,
          author: "eve",
        },
      },
      async ({ neighbours, run, pass }) => {
        const check = neighbours.checks()["snowcat"];
        expect(check).toMatchObject({
          conclusion: "action_required",
          title: "Needs approval",
          actions: [{ identifier: "ok-to-test" }],
        });
        expect(check?.summary).toContain(`/ok-to-test ${HEAD}`);
        expect(Object.keys(neighbours.checks())).toEqual(["snowcat"]);
        expect(neighbours.queued).toEqual([]);
        await run.supersede("42-2", false);
        await pass();
        expect(neighbours.checks()["snowcat"]).toMatchObject({ conclusion: "cancelled" });
      },
    ));

  it("runs an approved fork in the untrusted pool, and nobody else's approval", async () => {
    const reason = {
      kind: "pull_request",
      number: 5,
      head: HEAD,
      headRef: "topic",
      base: BASE,
      baseRef: "main",
      fork: true,
      author: "eve",
    } as const;
    await evaluating({ reason, approved: HEAD }, async ({ neighbours }) =>
      expect(neighbours.queued).toMatchObject([{ pool: "untrusted" }]),
    );
    await evaluating({ reason, approved: MERGE }, async ({ neighbours }) =>
      expect(neighbours.queued).toEqual([]),
    );
  });

  it("does not let a pull request loosen what is required", () =>
    evaluating(
      {},
      async ({ run, frame }) => {
        await frame(1, {
          kind: "attributes",
          attributes: [attribute("a"), attribute("b", "aarch64-linux")],
        });
        expect((await run.attributes(0, 10)).map(({ required }) => required)).toEqual([true, true]);
      },
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., systems: [x86_64-linux, aarch64-linux] }]\n";
        neighbours.proposed =
          "evaluate: [{ flake: ., systems: [x86_64-linux] }]\nsets: { pull_request: [nothing] }\n";
      },
    ));

  it("tries again when a neighbour is away", () =>
    bench(async ({ neighbours, run, pass }) => {
      neighbours.failing.add("policy").add("desire").add("index");
      await run.start(request());
      await pass(3_000);
      expect(neighbours.queued).toEqual([]);
      neighbours.failing.clear();
      await pass(10_000);
      expect(neighbours.queued).toHaveLength(1);
      expect(neighbours.checks()["snowcat"]).toBeDefined();
    }));

  it("never says two things under one version, though the Writer's answers are lost", () =>
    bench(async ({ neighbours, run, pass, frame, finish }) => {
      neighbours.losing.add("desire");
      await run.start(request());
      await pass(10_000);
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass(30_000);
      neighbours.losing.clear();
      await pass(60_000);
      const said = new Map<string, string>();
      for (const { resource, version, ...body } of neighbours.desired) {
        const one = `${resource} ${version}`;
        expect(said.get(one) ?? JSON.stringify(body), one).toBe(JSON.stringify(body));
        said.set(one, JSON.stringify(body));
      }
      expect(new Set(neighbours.desired.map(({ title }) => title)).size).toBeGreaterThan(1);
    }));
});

describe("what is required", () => {
  it("is of the systems that the configuration names; the others are evaluated and listed", () =>
    evaluating(
      {},
      async ({ neighbours, run, frame }) => {
        expect(neighbours.queued[0]?.work).toMatchObject({ selections: [{ systems: null }] });
        await frame(1, {
          kind: "attributes",
          attributes: [attribute("a"), attribute("b", "aarch64-linux")],
        });
        expect(await run.attributes(0, 10)).toMatchObject([
          { required: false, verdict: { kind: "evaluated-only" } },
          { required: true, verdict: null },
        ]);
      },
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., systems: [aarch64-linux] }]\n";
      },
    ));

  it("is everything while no runner has said what it is: nothing is green unbuilt", () =>
    evaluating(
      {},
      async ({ neighbours, pass, frame, finish }) => {
        neighbours.missing = () => ["system x86_64-linux"];
        await frame(1, { kind: "attributes", attributes: [attribute("a")] });
        await finish(1);
        await pass();
        expect(neighbours.checks()["snowcat"]).toMatchObject({ conclusion: "action_required" });
      },
      (neighbours) => {
        // Enrolled and never heard of: a job waits for it.
        for (const one of neighbours.classes) one.systems = [];
      },
    ));
});
