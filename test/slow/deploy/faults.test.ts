import { beforeAll, describe, expect, it } from "vitest";
import { faults } from "../../faults/deploy/rows.ts";
import type { FaultRow } from "../../faults/deploy/row.ts";
import { playDeploys } from "../../faults/deploy/table.ts";
import { whyNoMachines } from "../../machines/lab.ts";

describe.skipIf(whyNoMachines() !== null)("deploys and what can go wrong", () => {
  let rows: FaultRow[] = [];
  beforeAll(async () => {
    rows = await playDeploys({ match: "", jobs: 3, told: () => {} });
  }, 900_000);

  it.each(faults.map(({ name }) => name))("%s", (name) => {
    expect(rows.find(({ fault }) => fault === name)).toMatchObject({
      working: true,
      truthful: true,
    });
  });
});
