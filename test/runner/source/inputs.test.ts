import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIsolated } from "../isolation/support.ts";
import type { Hidden } from "./inputs-scenarios.ts";
import { hiddenInput, SCENARIOS } from "./inputs-scenarios.ts";
import type { InputsStage } from "./inputs-stage.ts";
import { inputsStage } from "./inputs-stage.ts";

describeIsolated("inputs of a flake, from the double of GitHub", () => {
  let stage: InputsStage;
  let hidden: Hidden;
  beforeAll(async () => {
    stage = await inputsStage(54_200);
    hidden = await hiddenInput(stage);
  });
  afterAll(async () => await stage?.close());

  for (const { name, play } of SCENARIOS.filter(({ heavy }) => !heavy))
    test(`${name}`, async () => {
      expect.hasAssertions();
      await play(stage, hidden);
    });
});
