import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Simulation } from "./simulation.ts";

/** `SNOWCAT_SIMULATE` multiplies the schedules: 10 for the ten thousand that design.md asks for. */
const SCHEDULES = 1_000 * Number(process.env.SNOWCAT_SIMULATE ?? 1);

describe("any schedule of faults", () => {
  it("gives every job one verdict, from an attempt that was not stale, and leaves none behind", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { minLength: 60, maxLength: 400 }), (choices) => {
        const simulation = new Simulation();
        for (const choice of choices) {
          simulation.act(choice);
          simulation.check();
        }
        simulation.settle();
        for (const [job, verdicts] of simulation.verdicts) expect([job, verdicts.length]).toEqual([job, 1]);
        expect(simulation.verdicts.size).toBe(simulation.enqueued);
        expect(simulation.stale).toEqual([]);
      }),
      { numRuns: SCHEDULES, seed: 11 },
    );
  });
});
