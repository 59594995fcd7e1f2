import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ToolEnd } from "../../../src/runner/deploy/methods/method.ts";
import { NEW, OLD } from "./model.ts";
import { OTHER, play } from "./tool-play.ts";
import { weather } from "./weather.ts";

/** What a tool does to the machine, how long it takes, and what it says of it: nothing of it need fit. */
const tool = fc.record({
  switches: fc.constantFrom(NEW, NEW, NEW, OTHER, null),
  boots: fc.constantFrom(NEW, null, null, OTHER),
  seconds: fc.integer({ min: 0, max: 40 }),
  exitCode: fc.constantFrom(0, 0, 0, 0, 1, 4, 100, null),
  says: fc.constantFrom({}, {}, {}, {}, { skipped: "offline" }, { inhibited: "dbus" }),
});

describe("whatever a tool does and says", () => {
  it("the machine works, and the outcome says what is so", async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(weather, tool, async (bad, does) => {
        const { outcome, machine, truth, final } = await play({
          script: bad,
          tool: (at, clock): ToolEnd => {
            clock.pass(does.seconds / 2);
            at.settle();
            if (does.switches !== null) at.toolRuns(does.switches);
            if (does.boots !== null) at.toolRuns(does.boots, "boots");
            clock.pass(does.seconds / 2);
            const { exitCode } = does;
            return { exitCode, timedOut: exitCode === null, log: "", ...does.says };
          },
        });
        seen.set(outcome.kind, (seen.get(outcome.kind) ?? 0) + 1);
        switch (outcome.kind) {
          case "active":
            expect(truth).toEqual({ running: NEW, profile: NEW });
            // A failure is believed, and what is healthy was looked at.
            expect([0, 4]).toContain(does.exitCode);
            expect([bad.healthy, bad.fails.length]).toEqual([true, 0]);
            break;
          case "rolled-back":
            expect(truth).toEqual({ running: OLD, profile: OLD });
            break;
          case "failed-untouched":
            expect(new Set([machine.profile, ...machine.ran])).toEqual(new Set([OLD]));
            break;
          case "bootloader":
            expect(truth.profile).toBe(outcome.boots);
            break;
          case "needs-reboot":
            expect(truth).toEqual({ running: OLD, profile: NEW });
            break;
          case "held":
          case "not-prepared":
          case "unknown":
            break;
        }
        if (outcome.kind !== "unknown" && outcome.running !== null)
          expect(truth.running).toBe(outcome.running);
        // Nobody has to be there for a sick system to go: but what a tool has let boot, power brings.
        if (!bad.healthy && bad.powerCut === null && outcome.kind !== "needs-reboot")
          expect(final).toEqual({ running: OLD, profile: OLD });
      }),
      { numRuns: 2_000, seed: 7 },
    );
    // Each end was come to: else this shows less than it seems to.
    for (const kind of ["active", "rolled-back", "failed-untouched", "needs-reboot", "unknown"])
      expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(5);
  });
});
