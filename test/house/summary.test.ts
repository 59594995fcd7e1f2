import { expect, test } from "vitest";
import { skippedTest, summary } from "../../scripts/test/summary.ts";

const outcome = { passed: 3, failed: 1, skipped: [], missing: [], seconds: 2.34 };

test("the counts stand alone on the last line, the seconds before it", () => {
  expect(summary(outcome)).toBe("2.3 seconds\n3 passed, 1 failed, 0 skipped");
});

test("a suite says its reason in its name", () => {
  const reason = "isolation is set up by root";
  expect(skippedTest(`a.test.ts > builds (skipped: ${reason}) > one`, undefined)).toEqual({
    test: "a.test.ts > builds > one",
    reason,
  });
  expect(skippedTest("a.test.ts > one", "why")).toEqual({ test: "a.test.ts > one", reason: "why" });
});

test("what could not run is listed with its reason", () => {
  const text = summary({
    ...outcome,
    skipped: [
      { test: "a.test.ts > one", reason: "this machine lacks nix" },
      { test: "b.test.ts > two", reason: undefined },
    ],
    missing: [{ name: "nix", package: "nix-bin", why: "evaluates flakes" }],
  });
  expect(text.split("\n")).toEqual([
    "not available: nix (Debian: nix-bin), which evaluates flakes",
    "skipped, this machine lacks nix:",
    "  a.test.ts > one",
    "skipped, no reason given:",
    "  b.test.ts > two",
    "2.3 seconds",
    "3 passed, 1 failed, 2 skipped",
  ]);
});
