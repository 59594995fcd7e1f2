import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeIsolated } from "../../runner/isolation/support.ts";
import type { Hidden } from "../../runner/source/inputs-scenarios.ts";
import { hiddenInput, SCENARIOS } from "../../runner/source/inputs-scenarios.ts";
import type { InputsStage } from "../../runner/source/inputs-stage.ts";
import { inputsStage } from "../../runner/source/inputs-stage.ts";
import { nixInstalls } from "../../support/nix-versions.ts";

const installs = await nixInstalls();

describeIsolated("inputs of a flake, on every Nix that is here", () => {
  describe.each(installs.map((nix, index) => ({ nix, index, number: nix.number })))(
    "Nix $number",
    ({ nix, index }) => {
      let stage: InputsStage;
      let hidden: Hidden;
      beforeAll(async () => {
        stage = await inputsStage(62_000 + 200 * index, nix);
        hidden = await hiddenInput(stage);
      });
      afterAll(async () => await stage?.close());

      for (const { name, play } of SCENARIOS)
        test(`${name}`, { timeout: 120_000 }, async () => {
          expect.hasAssertions();
          await play(stage, hidden);
        });
    },
  );
});
