import { describe, expect, it } from "vitest";
import type { Flake } from "../../../src/core/flakiness/index.ts";
import { attribute, built, drv, evaluating, type Bench } from "./harness.ts";
import { knownProvenance } from "../support/builder.ts";

const PAGE = "https://snowcat.example/runs";
const failed = (name: string) =>
  ({ kind: "failed", drv: drv(name), exitCode: 1, logTail: "boom" }) as const;
const told = (run: string) => ({
  run,
  at: 1,
  log: { job: `${run}.2`, attempt: 1, stream: "a.drv" },
});
const flake = (name: string, proof = true): Flake => ({
  drv: drv(name),
  attribute: `packages.x86_64-linux.${name}`,
  times: 2,
  proof: proof ? { failed: told("42-8"), passed: told("42-9"), failures: 1, passes: 3 } : null,
});

/** Evaluates `names` and builds them, each with this verdict. */
async function builds(
  { frame, finish, pass }: Bench,
  names: string[],
  verdict?: (name: string) => ReturnType<typeof failed> | undefined,
): Promise<void> {
  await frame(1, { kind: "attributes", attributes: names.map((name) => attribute(name)) });
  await finish(1);
  await pass();
  await frame(2, {
    kind: "results",
    results: names.map((name) => built(name, verdict?.(name), `${name}.drv`)),
  });
  await finish(2);
  await pass(3_000);
}

describe("a flaky derivation", () => {
  it("that passes is a pass, marked, with both logs", () =>
    evaluating({}, async (bench) => {
      const { neighbours, run } = bench;
      neighbours.flakes = [flake("a")];
      await builds(bench, ["a", "b"]);
      const checks = neighbours.checks();
      expect(checks["snowcat"]).toMatchObject({ status: "completed", conclusion: "success" });
      expect(checks["snowcat"]?.title).toContain("2 succeeded; 1 flaky");
      for (const name of ["snowcat", "snowcat / build"]) {
        expect(checks[name]?.summary).toContain(`[failed](${PAGE}/42-8/logs/42-8.2/1/a.drv)`);
        expect(checks[name]?.summary).toContain(`[passed](${PAGE}/42-9/logs/42-9.2/1/a.drv)`);
      }
      expect(checks["snowcat / build"]?.text).toContain("succeeded, flaky");
      expect(await run.attributes(0, 10)).toMatchObject([{ flake: flake("a") }, { flake: null }]);
      // Told with what was printed, so that the next run can show it.
      expect(neighbours.remembered[0]).toMatchObject({
        attribute: "packages.x86_64-linux.a",
        log: { job: "42-1.2", attempt: 1, stream: "a.drv" },
      });
      // The archive was written again, and is what remains.
      await bench.pass(15 * 60_000);
      expect(bench.sql.exec("SELECT * FROM flake").toArray()).toEqual([]);
      expect((await run.attributes(0, 1))[0]?.flake).toEqual(flake("a"));
    }));

  it("that fails says on its own check that it has passed", () =>
    evaluating({}, async (bench) => {
      bench.neighbours.flakes = [flake("a")];
      await builds(bench, ["a"], failed);
      const check = bench.neighbours.checks()["snowcat / packages.x86_64-linux.a"];
      expect(check).toMatchObject({ status: "completed", conclusion: "failure" });
      expect(check?.title).toContain("flaky");
      expect(check?.summary).toContain(`[passed](${PAGE}/42-9/logs/42-9.2/1/a.drv)`);
      expect(check?.summary).toContain("failed in 1 of 4 builds");
    }));

  it("says so where only its attribute is known for it", () =>
    evaluating({}, async (bench) => {
      bench.neighbours.flakes = [flake("a", false)];
      await builds(bench, ["a"], failed);
      const check = bench.neighbours.checks()["snowcat / packages.x86_64-linux.a"];
      expect(check?.summary).toContain("**Known to be flaky:** 2 derivations");
      expect(bench.neighbours.checks()["snowcat"]?.title).not.toContain("flaky");
    }));
});

describe("the log of an earlier build", () => {
  const known = [
    {
      drv: drv("a"),
      verdict: { kind: "succeeded", reused: false } as const,
      run: "42-9",
      at: 999_000,
      seconds: 5,
      provenance: knownProvenance(drv("a")),
      log: { job: "42-9.3", attempt: 2, stream: "a.drv" },
    },
  ];

  it("goes along with a verdict that is reused", () =>
    evaluating({}, async ({ neighbours, run, frame, finish, pass }) => {
      neighbours.known = known;
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass();
      expect((await run.attributes(0, 1))[0]?.log).toEqual(known[0]?.log);
      expect(neighbours.checks()["snowcat"]?.summary).toContain("Known before: 1 of 1");
      // What was built elsewhere is no log of this run, and is not told as one.
      expect(neighbours.remembered).toEqual([]);
    }));

  it("stays with a green check that is run again and finds everything built", () =>
    evaluating({ fresh: true }, async ({ neighbours, run, frame, finish, pass }) => {
      neighbours.known = known;
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass();
      await frame(2, { kind: "results", results: [{ ...built("a"), seconds: 0 }] });
      await finish(2);
      await pass();
      expect((await run.attributes(0, 1))[0]?.log).toEqual(known[0]?.log);
      expect(neighbours.remembered).toMatchObject([{ seconds: 0, log: null }]);
    }));

  it("gives way to the build's own", () =>
    evaluating({ fresh: true }, async (bench) => {
      bench.neighbours.known = known;
      await builds(bench, ["a"], failed);
      expect((await bench.run.attributes(0, 1))[0]?.log).toEqual({
        job: "42-1.2",
        attempt: 1,
        stream: "a.drv",
      });
    }));
});
