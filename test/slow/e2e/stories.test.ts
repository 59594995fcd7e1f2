import { expect, test } from "vitest";
import { scenarios } from "../../demo/scenarios/index.ts";
import { onStack } from "../../e2e/suite.ts";

/** The demo's stories that take long. */
onStack("long stories", {}, (at) => {
  for (const scenario of scenarios.filter(({ slow }) => slow === true)) {
    test(`${scenario.name}`, async () => {
      await scenario.play(at.stage);
      expect(at.stack.github.ledger()).toEqual([]);
    });
  }
});
