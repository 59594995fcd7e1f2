import { describe, expect, test } from "vitest";
import { attributes, lease, newRun, recalled } from "../../../src/core/run/index.ts";
import { Model } from "./model.ts";

/** A run whose evaluation has named so many derivations, none of them leased. */
function ready(count: number): Model {
  const model = new Model();
  model.run = { ...newRun(false), phase: "evaluating", rules: { systems: [null], set: ["*"] } };
  const drv = (n: number): string => `/nix/store/${String(n).padStart(32, "0")}-p.drv`;
  const numbers = Array.from({ length: count }, (_, n) => n);
  model.save(
    attributes(
      model.all(),
      numbers.map((n) => ({
        selection: 0,
        path: [`p${n}`],
        system: null,
        seconds: 0,
        result: {
          kind: "derivation" as const,
          derivation: {
            path: drv(n),
            name: "p",
            system: "x86_64-linux",
            outputs: {},
            features: [],
          },
        },
      })),
    ),
  );
  model.save(recalled(model.all(), numbers.map(drv), [], 0));
  return model;
}

function sizes(count: number, all: boolean, slots: number): number[] {
  const model = ready(count);
  model.save(lease(model.all(), all, slots));
  return [...model.jobs.keys()].map(
    (job) => [...model.derivations.values()].filter((row) => row.job === job).length,
  );
}

describe("jobs that are built from what is ready", () => {
  test.each([
    ["few, at one runner", 3, true, 0, [3]],
    ["many, at one runner", 1_100, true, 0, [500, 500, 100]],
    ["many, at one runner, while it evaluates", 1_100, false, 0, [500, 500]],
    ["few, for two runners with a slot each", 4, true, 2, [1, 1, 1, 1]],
    ["one, for many", 1, true, 8, [1]],
    ["some, for two runners with two slots each", 20, true, 4, [3, 3, 3, 3, 3, 3, 2]],
    ["many, for several", 1_000, true, 2, [200, 200, 200, 200, 200]],
    ["many, for several, while it evaluates", 450, false, 8, [200, 200]],
  ])("%s", (_, count, all, slots, expected) => {
    expect(sizes(count, all, slots)).toEqual(expected);
  });
});
