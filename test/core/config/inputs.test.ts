import { expect, test } from "vitest";
import { privateInputs } from "../../../src/core/config/inputs.ts";
import { readConfiguration } from "../../../src/core/config/read.ts";

test("only repositories of the account; each once, whatever its case", () => {
  expect(privateInputs(["Octo/a", "octo/A", "other/b", "octo/c.d"], "octo")).toEqual({
    names: ["A", "c.d"],
    refused: [{ repository: "other/b", why: expect.stringContaining("another account than octo") }],
  });
});

test.each([
  "octo",
  "octo/a/b",
  "-x/a",
  "octo/..",
  "octo/.",
  "octo/a b",
  "https://github.com/octo/a",
])("%s is no repository", (name) => {
  const read = readConfiguration(`inputs:\n  private:\n    - ${name}\n`);
  expect(read).toMatchObject({ ok: false, errors: [{ line: 3 }] });
});
