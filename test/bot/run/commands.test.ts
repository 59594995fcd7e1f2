import { describe, expect, it } from "vitest";
import type { Retry } from "../../../src/core/repo/request.ts";
import { knownProvenance } from "../support/builder.ts";
import { attribute, type Bench, built, drv, evaluated, evaluating, request } from "./harness.ts";

/** What commands on a pull request make of a run. */

const reasonWith = (more: { also?: string[]; retry?: Retry }) => {
  const { reason } = request();
  return reason.kind === "pull_request" ? { ...reason, ...more } : reason;
};
const evaluate = async ({ frame, finish, pass }: Bench, ...names: string[]) => {
  await frame(1, { kind: "attributes", attributes: names.map((name) => attribute(name)) });
  await frame(1, evaluated);
  await finish(1);
  await pass();
};
/** Derivations that the last build job has to build. */
const leased = ({ neighbours }: Bench): string[] => {
  const { work } = neighbours.queued.findLast(({ kind }) => kind === "build") ?? {};
  return work?.kind === "build" ? work.derivations.map(({ path }) => path.at(-1) ?? "") : [];
};

describe("ending the jobs of a kind", () => {
  it("gives what they had to build its verdict, tells the Fleet, and leaves the other jobs alone", () =>
    evaluating({}, async (bench) => {
      const { run, pass, neighbours } = bench;
      await evaluate(bench, "a", "b");
      await run.cancelJobs("evaluate", "ada");
      expect((await run.view())?.state).toBe("building");
      await run.cancelJobs("build", "ada");
      await pass(60_000);
      expect(neighbours.cancelled).toEqual(["42-1.2"]);
      expect(await run.view()).toMatchObject({ state: "finished", counts: { cancelled: 2 } });
      expect(neighbours.checks()["snowcat"]?.conclusion).not.toBe("success");
      // Its runner comes late.
      expect(await bench.finish(2)).toBe("known");
    }));

  it("ends a run that only evaluates", () =>
    evaluating({}, async ({ run, pass, neighbours }) => {
      await run.cancelJobs("evaluate", "ada");
      await pass(60_000);
      expect(neighbours.cancelled).toEqual(["42-1.1"]);
      expect(await run.view()).toMatchObject({ state: "finished" });
      expect(neighbours.checks()["snowcat"]?.conclusion).not.toBe("success");
    }));
});

describe("building more than the set", () => {
  const policy = 'sets: { pull_request: ["packages.*.a"] }\n';
  const built = async (also: string[] | undefined) => {
    let names: string[] = [];
    await evaluating(
      { reason: reasonWith(also === undefined ? {} : { also }) },
      async (bench) => {
        await evaluate(bench, "a", "b");
        names = leased(bench);
      },
      (neighbours) => {
        neighbours.policy = policy;
      },
    );
    return names;
  };

  it("adds what was named, and is another tree's verdict", async () => {
    expect([await built(undefined), await built(["**.b"])]).toEqual([["a"], ["a", "b"]]);
  });
});

describe("trying again", () => {
  /** Of `a` that failed before, `b` that did as well and `c` that succeeded: what is built. */
  const again = async (retry: Retry | undefined, fresh = true) => {
    let names: string[] = [];
    const at = 999_000;
    await evaluating(
      { fresh, reason: reasonWith(retry === undefined ? {} : { retry }) },
      async (bench) => {
        await evaluate(bench, "a", "b", "c");
        names = leased(bench).toSorted();
      },
      (neighbours) => {
        const failed = (name: string) => ({
          drv: drv(name),
          verdict: { kind: "failed", drv: drv(name), exitCode: 1, logTail: "" } as const,
          run: "42-0" as const,
          at,
          seconds: 1,
          provenance: null,
          log: null,
        });
        neighbours.known = [
          failed("a"),
          failed("b"),
          {
            ...failed("c"),
            verdict: { kind: "succeeded", reused: false },
            provenance: knownProvenance(drv("c")),
          },
        ];
      },
    );
    return names;
  };

  it("is about what failed, about everything, or about one attribute", async () => {
    expect(await again(undefined, false)).toEqual([]);
    expect(await again("failed")).toEqual(["a", "b"]);
    expect(await again(["**.b"])).toEqual(["b"]);
    expect(await again("all")).toEqual(["a", "b", "c"]);
    expect(await again(undefined)).toEqual(["a", "b", "c"]);
  });
});

describe("buttons", () => {
  const shown = ({ neighbours }: Bench) =>
    neighbours.checks()["snowcat"]?.actions.map(({ identifier }) => identifier);

  it("end what goes on and try again what failed; a success has none", () =>
    evaluating({}, async (bench) => {
      const { pass, frame, finish } = bench;
      expect(shown(bench)).toEqual(["cancel"]);
      await evaluate(bench, "a");
      await frame(2, {
        kind: "results",
        results: [built("a", { kind: "failed", drv: drv("a"), exitCode: 1, logTail: "" })],
      });
      await finish(2);
      await pass(60_000);
      expect(shown(bench)).toEqual(["retry"]);
    }));

  it("are not on what another run took the place of, nor on a push", async () => {
    await evaluating({}, async (bench) => {
      await bench.run.supersede("42-2", false);
      await bench.pass(60_000);
      expect(shown(bench)).toEqual([]);
    });
    const push = {
      kind: "push",
      ref: "refs/heads/main",
      head: "1".repeat(40),
      before: null,
    } as const;
    await evaluating({ reason: push }, async (bench) => expect(shown(bench)).toEqual([]));
  });
});
