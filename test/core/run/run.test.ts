import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  admit,
  attributes,
  conclude,
  finish,
  lease,
  noRunner,
  offered,
  queued,
  recalled,
  results,
  settle,
  stale,
  started,
  stop,
  sweep,
} from "../../../src/core/run/index.ts";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { BUILDER, Model, PROVENANCE } from "./model.ts";

const drv = (n: number) => `/nix/store/${String(n).padStart(32, "0")}-d${n}.drv`;
const SYSTEMS = ["x86_64-linux", "aarch64-linux"] as const;

function attribute(name: number, system: 0 | 1, derivation: number | null): Attribute {
  const at = SYSTEMS[system];
  return {
    selection: 0,
    path: ["packages", at, `a${name}`],
    system: at,
    seconds: null,
    result:
      derivation === null
        ? { kind: "error", message: "no", position: null }
        : {
            kind: "derivation",
            derivation: {
              path: drv(derivation * 2 + system),
              name: `d${derivation}`,
              system: at,
              outputs: {},
              features: [],
            },
          },
  };
}

const verdict: fc.Arbitrary<Verdict> = fc.constantFrom<Verdict>(
  { kind: "succeeded", reused: false },
  { kind: "failed", drv: drv(0), exitCode: 1, logTail: "" },
  { kind: "timed-out", limitSeconds: 1, logTail: "" },
  { kind: "infrastructure", message: "lost", logTail: "" },
);
const small = fc.nat({ max: 5 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("attributes" as const),
      batch: fc.array(fc.tuple(small, fc.constantFrom(0 as const, 1 as const), fc.option(small)), {
        maxLength: 4,
      }),
      job: small,
      attempt: small,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("results" as const),
      batch: fc.array(fc.tuple(fc.nat({ max: 11 }), verdict), { maxLength: 4 }),
      job: small,
      attempt: small,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("finish" as const),
      job: small,
      attempt: small,
      verdict,
    }),
  },
  fc.record({ do: fc.constant("offered" as const), job: small, attempt: small }),
  fc.record({ do: fc.constant("started" as const), job: small, attempt: small }),
  fc.record({ do: fc.constant("no-runner" as const), job: small }),
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("recall" as const),
      known: fc.array(fc.nat({ max: 11 }), { maxLength: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("lease" as const),
      all: fc.boolean(),
      slots: fc.nat({ max: 9 }),
    }),
  },
  fc.record({ do: fc.constant("stop" as const), really: fc.nat({ max: 9 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Applies a step as the shell does: frames of attempts that do not count go no further. */
function apply(model: Model, one: Step): void {
  const current = (job: number, attempt: number) =>
    stale(model.jobs.get(job) ?? null, Math.max(1, attempt)) === null;
  switch (one.do) {
    case "attributes":
      if (!current(one.job, one.attempt) || model.jobs.get(one.job)?.kind !== "evaluate") return;
      model.save(
        attributes(
          model.all(),
          one.batch.map(([name, system, derivation]) => attribute(name, system, derivation)),
        ),
      );
      break;
    case "results":
      if (!current(one.job, one.attempt) || model.jobs.get(one.job)?.kind !== "build") return;
      model.save(
        results(
          model.all(),
          one.job,
          Math.max(1, one.attempt),
          one.batch.map(([n, result]) => ({
            selection: 0,
            path: ["x"],
            drv: drv(n),
            verdict: result,
            seconds: 1,
            log: null,
          })),
          BUILDER,
        ),
      );
      break;
    case "finish":
      model.save(
        finish(model.all(), one.job, one.attempt, one.verdict, one.verdict.kind, 0).changes,
      );
      break;
    case "offered":
      model.save(offered(model.all(), one.job, one.attempt, "r1"));
      break;
    case "started":
      model.save(started(model.all(), one.job, one.attempt, "r1"));
      break;
    case "no-runner":
      model.save(noRunner(model.all(), one.job, ["x"]));
      break;
    case "recall": {
      const asked = [...model.derivations.values()]
        .filter(({ state }) => state === "unknown")
        .map((row) => row.drv);
      model.save(
        recalled(
          model.all(),
          asked,
          one.known.map((n) => ({
            drv: drv(n),
            verdict: { kind: "succeeded", reused: false },
            seconds: 1,
            at: 0,
            provenance: PROVENANCE,
            log: null,
          })),
          1,
        ),
      );
      break;
    }
    case "lease":
      model.save(lease(model.all(), one.all, one.slots));
      break;
    case "stop":
      if (one.really === 0) model.save(stop(model.all(), { kind: "superseded", by: "42-2" }));
      break;
  }
  model.save(settle(model.slice()));
}

/** Goes on as a Fleet and a Repo that answer would, until the run is over. */
function complete(model: Model): void {
  for (let turn = 0; turn < 50 && model.run.phase !== "finished"; turn += 1) {
    if (model.run.stopped !== null) model.save(sweep(model.all()));
    apply(model, { do: "recall", known: [] });
    for (const { number, attempt } of model.openJobs())
      apply(model, {
        do: "finish",
        job: number,
        attempt,
        verdict: { kind: "succeeded", reused: false },
      });
    apply(model, { do: "lease", all: true, slots: 0 });
  }
}

function admitted(): Model {
  const model = new Model();
  model.save(
    admit(model.slice(), {
      kind: "evaluate",
      pool: "trusted",
      rules: { systems: [["x86_64-linux"]], set: ["*"] },
    }),
  );
  model.save(queued(model.all(), 1));
  return model;
}

describe("a run under any order of events", () => {
  it("keeps its counters, ends, and succeeds only when everything required did", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = admitted();
        for (const one of steps) apply(model, one);
        complete(model);
        const rows = [...model.attributes.values()];
        expect(model.run.phase).toBe("finished");
        expect(rows.filter((row) => row.verdict === null)).toEqual([]);
        expect(model.run).toMatchObject({
          pending: 0,
          openJobs: 0,
          openDerivations: 0,
          attributes: rows.length,
          required: rows.filter((row) => row.required).length,
          requiredSucceeded: rows.filter((row) => row.required && row.verdict?.kind === "succeeded")
            .length,
        });
        expect([...model.counts.values()].reduce((sum, { count }) => sum + count, 0)).toBe(
          rows.length,
        );
        const good =
          model.run.stopped === null &&
          model.run.evaluation?.kind === "succeeded" &&
          rows.every((row) => !row.required || row.verdict?.kind === "succeeded");
        expect(conclude(model.run, [...model.counts.values()]) === "success").toBe(good);
      }),
      { numRuns: 2_000 },
    );
  });

  it("changes no verdict once given, and nothing once over", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.array(step, { maxLength: 10 }),
        (steps, late) => {
          const model = admitted();
          for (const one of steps) {
            const before = structuredClone(model.derivations);
            const jobs = structuredClone(model.jobs);
            apply(model, one);
            for (const [key, row] of before)
              if (row.verdict !== null)
                expect(model.derivations.get(key)?.verdict).toEqual(row.verdict);
            for (const [key, row] of jobs)
              if (row.state === "finished")
                expect(model.jobs.get(key)?.verdict).toEqual(row.verdict);
          }
          complete(model);
          const over = structuredClone({
            run: model.run,
            attributes: model.attributes,
            derivations: model.derivations,
          });
          for (const one of late) apply(model, one);
          expect({
            run: model.run,
            attributes: model.attributes,
            derivations: model.derivations,
          }).toEqual(over);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("takes nothing of an attempt that another followed", () => {
    const model = admitted();
    model.save(offered(model.all(), 1, 2, "r2"));
    expect(stale(model.jobs.get(1) ?? null, 1)).toBe("attempt 2 was offered");
    expect(finish(model.all(), 1, 1, { kind: "succeeded", reused: false }, "d", 0).outcome).toBe(
      "refused",
    );
    expect(finish(model.all(), 1, 2, { kind: "succeeded", reused: false }, "d", 0).outcome).toBe(
      "applied",
    );
  });
});

describe("a second evaluation of the same tree", () => {
  it("takes back the errors of the first, and no verdict of a build", () => {
    const model = admitted();
    apply(model, {
      do: "attributes",
      batch: [
        [0, 0, null],
        [1, 0, 1],
      ],
      job: 1,
      attempt: 1,
    });
    expect([...model.attributes.values()].map((row) => row.verdict?.kind)).toEqual([
      "evaluation-error",
      undefined,
    ]);
    apply(model, {
      do: "attributes",
      batch: [
        [0, 0, 0],
        [1, 0, null],
      ],
      job: 1,
      attempt: 1,
    });
    expect([...model.attributes.values()].map((row) => row.verdict)).toEqual([null, null]);
    expect(model.run).toMatchObject({ pending: 2, unreplayable: 0 });
  });
});
