import { beforeAll, describe, expect, it } from "vitest";
import type { FaultRow } from "../../faults/deploy/row.ts";
import { planeFaults } from "../../faults/plane/rows.ts";
import { playPlane } from "../../faults/plane/table.ts";
import { whyNoMachines } from "../../machines/lab.ts";

describe.skipIf(whyNoMachines() !== null)("deploys and what goes wrong around them", () => {
  let rows: FaultRow[] = [];
  beforeAll(async () => {
    rows = await playPlane({ match: "", told: () => {} });
  }, 900_000);

  it.each(planeFaults.map(({ name }) => name))("%s", (name) => {
    expect(rows.find(({ fault }) => fault === name)).toMatchObject({
      working: true,
      truthful: true,
    });
  });
});
