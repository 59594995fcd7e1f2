import { expect, test } from "vitest";
import { killAt, killOf } from "../../e2e/kills.ts";
import { onStack } from "../../e2e/suite.ts";

/** Where the seeds begin; `SNOWCAT_SEED` plays others, or a failing one again. */
const FIRST = Number(process.env["SNOWCAT_SEED"] ?? 1_000);
const KILLS = 8;

onStack("a runner that is killed again and again", {}, (at) => {
  test.each(Array.from({ length: KILLS }, (_, index) => killOf(FIRST + index)))(
    "seed $seed: after $instant, $delay ms later",
    async (kill) => {
      await killAt(at.stage, kill);
      expect(at.stack.github.ledger()).toEqual([]);
    },
  );
});
