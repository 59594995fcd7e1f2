import { afterAll, beforeAll, test } from "vitest";
import { describeIsolated } from "../isolation/support.ts";
import type { NixForTest } from "./support.ts";
import { nixForTest } from "./support.ts";
import type { Expected } from "./evaluate-shapes.ts";
import { shapeFiles, SHAPES } from "./evaluate-shapes.ts";

describeIsolated("odd shapes of flakes, each attribute's verdict", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(57_000, { jobUsers: 8 });
  });
  afterAll(async () => {
    await nix?.close();
  });

  test.concurrent.for(SHAPES)("$name", async (shape, { expect }) => {
    const { rows, findings } = await nix.check(shapeFiles(shape));
    const got = Object.fromEntries(
      rows.map((row) => [row.name, held(row.verdict.kind, row.logTail, shape.expected[row.name])]),
    );
    expect(got).toEqual(shape.expected);
    if (shape.findings === undefined) return;
    const told = findings
      .map(
        ({ about, message, position }) =>
          `${about} (${position === null ? "" : `${position.file}:${position.line}`}) ${message}`,
      )
      .toSorted();
    for (const pattern of shape.findings)
      expect(told).toContainEqual(expect.stringMatching(pattern));
    expect(told).toHaveLength(shape.findings.length);
  });
});

/** What was expected where it came true, else what came instead. */
function held(kind: string, text: string, expected: Expected | undefined): unknown {
  if (typeof expected === "object")
    return kind === expected[0] && expected[1].test(text) ? expected : [kind, text];
  return kind === expected ? expected : [kind, text];
}
