import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextOf, readSchedule } from "../../../src/core/config/schedule.ts";

const next = (text: string, after: string) => {
  const schedule = readSchedule(text);
  const at = schedule === null ? null : nextOf(schedule, Date.parse(after));
  return at === null ? null : new Date(at).toISOString();
};

describe("a schedule", () => {
  it.each([
    ["daily", "2026-11-20T03:59:59Z", "2026-11-20T04:00:00.000Z"],
    ["daily", "2026-11-20T04:00:00Z", "2026-11-21T04:00:00.000Z"],
    ["weekly", "2026-11-20T00:00:00Z", "2026-11-23T04:00:00.000Z"],
    ["hourly", "2026-12-31T23:30:00Z", "2027-01-01T00:00:00.000Z"],
    ["*/15 9-17 * * mon-fri", "2026-11-20T17:46:00Z", "2026-11-23T09:00:00.000Z"],
    ["5/20 * * * *", "2026-11-20T17:46:00Z", "2026-11-20T18:05:00.000Z"],
    ["0 0 29 2 *", "2026-11-20T00:00:00Z", "2028-02-29T00:00:00.000Z"],
    ["0 0 13 * fri", "2026-11-20T12:00:00Z", "2026-11-27T00:00:00.000Z"],
    ["0 0 1 jan,jul 7", "2026-11-20T12:00:00Z", "2027-01-01T00:00:00.000Z"],
    ["0 0 31 2 *", "2026-11-20T12:00:00Z", null],
  ])("%s after %s", (text, after, expected) => {
    expect(next(text, after)).toBe(expected);
  });

  it.each([
    "",
    "often",
    "* * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "5-1 * * * *",
    "*/0 * * * *",
    "*-3 * * * *",
    "a * * * *",
    "* * * * * *",
  ])("%j is none", (text) => {
    expect(readSchedule(text)).toBeNull();
  });

  it("comes at moments that it names, later than the last one", () => {
    const field = (least: number, most: number) =>
      fc.oneof(fc.constant("*"), fc.integer({ min: least, max: most }).map(String));
    fc.assert(
      fc.property(
        fc.tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), fc.constant("*")),
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        (fields, after) => {
          const at = nextOf(readSchedule(fields.join(" "))!, after);
          if (at === null) {
            expect(Number(fields[2])).toBeGreaterThan(28);
            return;
          }
          expect(at).toBeGreaterThan(after);
          const date = new Date(at);
          const has = [
            date.getUTCMinutes(),
            date.getUTCHours(),
            date.getUTCDate(),
            date.getUTCMonth() + 1,
          ];
          for (const [index, value] of has.entries())
            if (fields[index] !== "*") expect(value).toBe(Number(fields[index]));
        },
      ),
      { numRuns: 200 },
    );
  });
});
