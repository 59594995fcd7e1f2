import { expect, test } from "vitest";
import { closing, ORPHANED_AFTER } from "../../../src/core/sweep/orphans.ts";

const NOW = 1_800_000_000_000;
const over = (conclusion: string | null) => ({ finishedAt: NOW - ORPHANED_AFTER, conclusion });

test("as long as the run may still speak, nobody speaks for it", () => {
  expect(closing({ finishedAt: null, conclusion: null }, NOW)).toBeNull();
  expect(closing({ finishedAt: NOW - ORPHANED_AFTER + 1, conclusion: "success" }, NOW)).toBeNull();
});

test.each([
  ["success", "success"],
  ["failure", "failure"],
  ["cancelled", "cancelled"],
  ["action_required", "action_required"],
  // Those would satisfy a required check.
  ["neutral", "action_required"],
  ["skipped", "action_required"],
  ["whatever", "action_required"],
  [null, "action_required"],
])("a run that ended with %s closes its check with %s", (conclusion, expected) => {
  expect(closing(over(conclusion), NOW)?.conclusion).toBe(expected);
});

test("a run that is not there is said to be lost, and never passes", () => {
  expect(closing(null, NOW)).toMatchObject({
    conclusion: "action_required",
    title: expect.stringContaining("lost"),
  });
});
