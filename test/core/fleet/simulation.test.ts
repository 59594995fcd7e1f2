import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Simulation } from "./simulation.ts";

/** `SNOWCAT_SIMULATE` multiplies the schedules: 10 for the ten thousand that the numbers ask for. */
const SCHEDULES = 1_000 * Number(process.env.SNOWCAT_SIMULATE ?? 1);

describe("any schedule of faults", () => {
  it("gives every job one verdict, from an attempt that was not stale, and leaves none behind", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 50, max: 400 }), (seed, length) => {
        const simulation = new Simulation();
        const next = random(seed);
        for (let step = 0; step < length; step += 1) {
          simulation.act(next());
          simulation.check();
        }
        simulation.settle();
        for (const [job, verdicts] of simulation.verdicts)
          expect([job, verdicts.length]).toEqual([job, 1]);
        expect(simulation.verdicts.size).toBe(simulation.enqueued);
        expect(simulation.stale).toEqual([]);
      }),
      { numRuns: SCHEDULES, seed: 11 },
    );
  });
});

/** Uniform numbers below 2^31 (xorshift): arrays of fast-check's own are short and small too often. */
function random(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 1;
  };
}
