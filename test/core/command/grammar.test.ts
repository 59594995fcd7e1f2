import fc from "fast-check";
import { expect, test } from "vitest";
import { COMMANDS, type Command } from "../../../src/core/command/command.ts";
import type { ArgumentKind } from "../../../src/core/command/declaration.ts";
import { printCommand, readCommands } from "../../../src/core/command/read.ts";
import { declarationOf } from "../../../src/core/command/registry.ts";

const SHA = "0123456789abcdef".repeat(3).slice(0, 40);
const lines = (body: string) => readCommands(body).lines;
const letters = (text: string) => fc.constantFrom(...Array.from(text));
const word = (first: string, rest: string, maxLength: number) =>
  fc
    .tuple(letters(first), fc.string({ unit: letters(rest), maxLength: maxLength - 1 }))
    .map(([a, b]) => a + b);
const alphabet = "abcxyzABC0189";
const path = fc
  .array(
    fc.oneof(
      word("abc*", `${alphabet}-_'*`, 8),
      fc
        .string({ unit: letters("a b.\\é"), maxLength: 6 })
        .map((s) => `"${s.replace(/[\\"]/gu, "\\$&")}"`),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join("."));
const sha = fc.oneof(
  fc.string({ unit: letters("0123456789abcdef"), minLength: 40, maxLength: 40 }),
  fc.string({ unit: letters("0123456789abcdef"), minLength: 64, maxLength: 64 }),
);
const KINDS: Record<ArgumentKind, fc.Arbitrary<string>> = {
  attribute: path,
  name: word(`${alphabet}*?`, `${alphabet}._-*?`, 20),
  target: fc.oneof(
    word(`${alphabet}*?`, `${alphabet}_.-*?`, 20),
    fc
      .array(word(alphabet, `${alphabet}-`, 5), { minLength: 1, maxLength: 3 })
      .map((tags) => `tag:${tags.join(",")}`),
    word(alphabet, `${alphabet}-`, 8).map((role) => `role:${role}`),
  ),
  machine: word(`${alphabet}_`, `${alphabet}._-`, 20),
  generation: fc.oneof(
    fc.integer({ min: 1, max: 999_999_999 }).map(String),
    fc.constant("last-good"),
  ),
  version: word(alphabet, `${alphabet}._+~-`, 12),
  "run-or-job": fc.oneof(
    fc.integer({ min: 1, max: 9_999 }).map(String),
    fc.constantFrom("evaluate", "build"),
  ),
  what: fc.oneof(fc.constantFrom("failed", "all"), path),
  text: fc
    .array(fc.string({ unit: letters('ab-é#@`"|/😀<!>'), minLength: 1, maxLength: 8 }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((words) => words.join(" "))
    .filter((text) => !text.startsWith("-")),
};
const commands: fc.Arbitrary<Command> = fc.constantFrom(...COMMANDS).chain((name) => {
  const declaration = declarationOf(name);
  const slots = declaration.arguments.map(({ kind, occurs }) =>
    fc.array(KINDS[kind], {
      minLength: occurs === "once" || occurs === "some" ? 1 : 0,
      maxLength: occurs === "any" || occurs === "some" ? 5 : 1,
    }),
  );
  const last = {
    named: sha.map((value) => [value]),
    recorded: fc.option(
      sha.map((value) => [value]),
      { nil: [] },
    ),
    none: fc.constant([]),
  }[declaration.binding];
  return fc
    .tuple(fc.tuple(...slots), last, fc.subarray(declaration.flags.map((flag) => flag.name)))
    .map(([values, named, flags]) => {
      // An optional argument is not left out before one that is there.
      const gap = values.findIndex((some) => some.length === 0);
      const taken = gap === -1 ? values : values.slice(0, gap);
      return { name, arguments: [...taken.flat(), ...named], flags };
    });
});

test("what is printed reads as the same command, for every command", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(commands, (given) => {
      seen.add(given.name);
      const read = readCommands(printCommand(given));
      expect(read).toEqual({
        tooMany: false,
        lines: [{ kind: "command", line: 1, command: given }],
      });
    }),
    { numRuns: 2_000 },
  );
  expect(seen.size).toBe(COMMANDS.length);
});

const fragment = fc.oneof(
  fc.constantFrom(...COMMANDS.map((name) => `\n/${name} `)),
  fc.constantFrom(
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "\t",
    "/",
    "> ",
    "```",
    "~~~",
    "`",
    "<!--",
    "-->",
    "<pre>",
    "</pre>",
    '"',
    "\\",
    "--force",
    "-",
    "tag:a,b",
    SHA,
    "\u200b",
    "\u202e",
    "\ud800",
    "a",
    "*",
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.string({
    unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 3,
  }),
);
const body = fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join(""));

test("any text is read; what comes out prints and reads as the same", () => {
  let found = 0;
  fc.assert(
    fc.property(fc.oneof(body, fc.string({ unit: "binary" })), (text) => {
      const read = readCommands(text);
      expect(read.lines.length).toBeLessThanOrEqual(10);
      for (const line of read.lines) {
        if (line.kind === "problem") {
          expect(line.problem).not.toBe("");
          continue;
        }
        found += 1;
        expect(COMMANDS).toContain(line.command.name);
        expect(readCommands(printCommand(line.command)).lines).toEqual([{ ...line, line: 1 }]);
        for (const flag of line.command.flags)
          expect(declarationOf(line.command.name).flags.map(({ name }) => name)).toContain(flag);
      }
    }),
    { numRuns: 5_000 },
  );
  expect(found).toBeGreaterThan(500);
});

test("in a fence, a quote or a comment no text has a command", () => {
  fc.assert(
    fc.property(body, (text) => {
      const inner = text.replaceAll(/`{3,}|~{3,}|-->/gu, "");
      expect(lines(`\`\`\`\`\n${inner}\n\`\`\`\``)).toEqual([]);
      expect(lines(`<!--\n${inner}\n-->`)).toEqual([]);
      expect(lines(text.replace(/\r\n|\r|\n/gu, "\n").replace(/^/gmu, "> "))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("a long comment takes time in proportion", () => {
  for (const unit of [
    "/",
    "`",
    "<!--",
    "``` ",
    '/build "',
    "/a\n",
    "> \n",
    "`<!--`",
    "\\",
    "a<!--",
    '<a"',
    "](",
    "a`",
    "a``b`",
  ]) {
    const began = performance.now();
    readCommands(unit.repeat(Math.ceil(65_536 / unit.length)));
    readCommands(`${unit.repeat(Math.ceil(4_000 / unit.length))}\n`.repeat(16));
    expect(performance.now() - began, unit).toBeLessThan(2_000);
  }
});
