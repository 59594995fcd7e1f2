import { expect, test } from "vitest";
import type { Part } from "../../scripts/test/part.ts";
import { countsOf } from "../../scripts/test/part.ts";
import { slowSummary } from "../../scripts/test/slow-summary.ts";

const part = (title: string, kind: Part["kind"]): Part => ({ title, kind, args: [] });

test("what gates is summed up, what is reported is told, what did not run is named", () => {
  const ends = [
    { part: part("slow tests", "gating"), passed: 10, failed: 0, skipped: 1, stopped: false },
    {
      part: part("Nix 2.26.3, of Debian trixie", "gating"),
      passed: 80,
      failed: 2,
      skipped: 0,
      stopped: false,
    },
    { part: part("2.34.8", "reported"), passed: 79, failed: 3, skipped: 0, stopped: false },
  ];
  expect(slowSummary(ends, ["Nix of Debian sid"], 12.34).split("\n")).toEqual([
    "not run: Nix of Debian sid",
    "slow tests: 10 passed, 0 failed, 1 skipped",
    "Nix 2.26.3, of Debian trixie: 80 passed, 2 failed, 0 skipped",
    "reported: 79 passed, 3 failed on 2.34.8",
    "12.3 seconds",
    "90 passed, 2 failed, 1 skipped",
  ]);
});

test.each([
  ["5 passed, 0 failed, 1 skipped", 0, { passed: 5, failed: 0, skipped: 1 }],
  ["5 passed, 2 failed, 0 skipped", 1, { passed: 5, failed: 2, skipped: 0 }],
  ["5 passed, 0 failed, 0 skipped", 1, { passed: 5, failed: 1, skipped: 0 }],
  ["Segmentation fault", null, { passed: 0, failed: 1, skipped: 0 }],
  ["", 0, { passed: 0, failed: 1, skipped: 0 }],
])("%j with exit code %j", (last, code, counts) => {
  expect(countsOf(last, code)).toEqual(counts);
});
