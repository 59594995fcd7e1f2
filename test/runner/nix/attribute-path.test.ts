import * as fc from "fast-check";
import { expect, test } from "vitest";
import { attributeName } from "../../../src/protocol/attribute.ts";
import { parseAttributePath } from "../../../src/protocol/attribute-path.ts";
import { nixString } from "../../../src/runner/nix/evaluate/expression.ts";

test("what is spelled is read again", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: "grapheme", minLength: 0 }),
          fc.constantFrom("..", "a.b", 'q"q', "${x}", "a\nb", "$", "\\", "x86_64-linux"),
        ),
        { minLength: 1, maxLength: 5 },
      ),
      (path) => {
        expect(parseAttributePath(attributeName(path))).toEqual(path);
      },
    ),
  );
});

test.each(["", ".", "a.", ".a", "a..b", '"a', '"a"b', 'a"b"'])("not a path: %j", (spelled) => {
  expect(parseAttributePath(spelled)).toBeNull();
});

test("a Nix string holds no antiquotation", () => {
  expect(nixString('a"b\\c${d}$${e}')).toBe(String.raw`"a\"b\\c\${d}$\${e}"`);
});
