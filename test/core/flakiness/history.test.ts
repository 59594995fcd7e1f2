import { expect, test } from "vitest";
import { noted, proofOf, type Evidence, type History } from "../../../src/core/flakiness/index.ts";

const at = (n: number): Evidence => ({ run: `1-${n}`, at: n, log: null });
const history = (...builds: ["passed" | "failed", number][]): History | null => {
  let known: History | null = null;
  for (const [outcome, n] of builds) known = noted(known, null, outcome, at(n), "a");
  return known;
};

test("passes alone leave nothing, a failure a history, both a proof", () => {
  expect(history(["passed", 1], ["passed", 2])).toBeNull();
  const failed = history(["failed", 1]);
  expect(failed && proofOf(failed)).toBeNull();
  const both = history(["failed", 1], ["passed", 2], ["failed", 3]);
  expect(both && proofOf(both)).toEqual({ failed: at(3), passed: at(2), failures: 2, passes: 1 });
});

test("what was passed before the first failure counts, unless the same run said both", () => {
  expect(noted(null, at(1), "failed", at(2), "a")).toMatchObject({ passed: at(1), passes: 1 });
  expect(noted(null, at(2), "failed", at(2), "a")).toMatchObject({ passed: null, passes: 0 });
});

test("words that come late do not take the place of newer ones, and are counted", () => {
  expect(history(["failed", 5], ["failed", 3])).toMatchObject({ failed: at(5), failures: 2 });
});
