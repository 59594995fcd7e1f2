import { expect, test } from "vitest";
import { greedy } from "../../hostile/greedy.ts";
import { QUICK_TREES, tryGreedyTrees } from "../../runner/examples/greedy.ts";

tryGreedyTrees((name) => !QUICK_TREES.has(name));

test("what the quick tests try is there", () => {
  const names = greedy("x86_64-linux").map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining([...QUICK_TREES]));
});
