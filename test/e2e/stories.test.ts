import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun } from "../../scripts/test/missing.ts";
import { scenarios } from "../demo/scenarios/index.ts";
import { Stage } from "../demo/stage.ts";
import { startStack, type Stack } from "../support/stack.ts";

/** What the demo tells is what the suite checks: each story on a real Worker, a real runner and real Nix. */
const missing = cannotRun("root", "nix", "bwrap", "busybox", "ip");

describe.skipIf(missing !== undefined)(
  `stories${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack();
    });
    afterAll(async () => {
      await stack.stop();
    });

    for (const scenario of scenarios.filter(({ slow }) => slow !== true)) {
      test(`${scenario.name}`, async () => {
        await scenario.play(new Stage(stack));
        expect(stack.github.ledger()).toEqual([]);
      });
    }
  },
);
