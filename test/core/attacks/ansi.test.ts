import * as fc from "fast-check";
import { expect, test } from "vitest";
import { block, code, line, plain } from "../../../src/core/report/escape.ts";

/**
 * Viewers of logs: ansi_up before 5 made links and HTML of terminal sequences, ansi-to-html needed time without end for
 * one of them. Here sequences are taken out, in time that grows with the text alone, and nothing is made of them.
 */

const ESC = "\u001b";
const LONGEST = 256 * 1_024;
const many = (part: string) => part.repeat(Math.ceil(LONGEST / part.length));

test.each([
  ["links that run code", `${ESC}]8;;javascript:alert(1)${ESC}\\click${ESC}]8;;${ESC}\\`, "click"],
  ["links ended by a bell", `${ESC}]8;;https://evil.example\u0007click${ESC}]8;;\u0007`, "click"],
  ["titles of windows", `${ESC}]0;owned\u0007text`, "text"],
  ["colours", `${ESC}[1;31mred${ESC}[0m`, "red"],
  ["a screen that is cleared", `a${ESC}[2J${ESC}[H${ESC}[?1049hb`, "ab"],
  ["C1 instead of ESC", "a\u009b31mb", "a\ufffd31mb"],
  ["overwriting by carriage return and backspace", "fail\rok\u0008x", "fail\nok\ufffdx"],
])("%s", (_name, text, expected) => {
  expect(plain(text)).toBe(expected);
});

test("no text at all leaves a control of a terminal", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          ESC,
          "[",
          "]",
          "8;;",
          "m",
          "\u0007",
          "\\",
          "\u009b",
          "31",
          "\r",
          "x",
          "P",
          "^",
        ),
      ),
      (parts) => {
        expect(plain(parts.join(""))).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u);
      },
    ),
  );
});

test.each([
  ["sequences that never end", many(`${ESC}[`)],
  ["one that never ends", `${ESC}[${many("0;")}`],
  ["links that never end", many(`${ESC}]8;;x`)],
  ["one link that never ends", `${ESC}]${many("x")}`],
  ["newlines before something", `${many("\n")}x`],
  ["spaces before something", `${many(" ")}x`],
  ["slashes and spaces", many(" /")],
  ["backticks", many("` ``")],
  ["carriage returns", many("\r")],
  ["halves of characters", many("\ud800")],
  ["mentions", many("@")],
])(
  "time grows with the text alone: %s",
  (_name, text) => {
    const before = performance.now();
    for (const render of [plain, line, code, block]) render(text);
    // A tenth of a second; where time grows with the square, minutes.
    expect(performance.now() - before).toBeLessThan(10_000);
  },
  300_000,
);
