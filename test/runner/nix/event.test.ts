import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEvent } from "../../../src/runner/nix/log/event.ts";
import { parseLogLine } from "../../../src/runner/nix/log/event.ts";
import { LINE_BYTES, lineSplitter } from "../../../src/runner/nix/log/lines.ts";
import { eventReader } from "../../../src/runner/nix/log/reader.ts";
import { Watch } from "../../../src/runner/nix/build/watch.ts";

const recorded = readFileSync(join(import.meta.dirname, "fixtures/realise-2.8.0.log"), "utf8")
  .split("\n")
  .filter((line) => line !== "");

describe("internal-json", () => {
  test("a recorded log of 2.8 is read line for line, with causes and lines at their derivations", () => {
    const notices: string[] = [];
    let now = 0;
    const watch = new Watch({
      now: () => ++now,
      onLine: () => {},
      onNotice: (text) => notices.push(text),
    });
    for (const line of recorded) watch.see(parseLogLine(line));
    const causes = Object.fromEntries(
      [...watch.findings.values()].map(({ drv, cause }) => [drv.slice(44, -4), cause]),
    );
    expect(causes).toEqual({
      bad: { kind: "failed", exitCode: 3 },
      hash: {
        kind: "hash-mismatch",
        specified: "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        got: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/u),
      },
      kill: {
        kind: "failed",
        exitCode: null,
        signal: 9,
        said: expect.stringContaining("signal 9"),
      },
      nothing: { kind: "failed", exitCode: null, said: expect.stringContaining("output path") },
      slow: { kind: "timed-out" },
    });
    const ok = [...watch.builds.values()].find(({ drv }) => drv.endsWith("-ok.drv"));
    expect(ok?.tail.toString()).toBe("hello\nerr");
    expect(notices).toEqual([]);
    // 2.8 closes activities when the process ends; the counters tell earlier.
    expect(ok!.endedAt).toBeLessThan(
      [...watch.builds.values()].find(({ drv }) => drv.endsWith("-odd.drv"))!.startedAt,
    );
  });

  test.each([
    '@nix {"action":"start"',
    "@nix {}",
    "@nix [1]",
    '@nix {"action":"dance","id":1}',
    '@nix {"action":"result","type":101,"fields":["x"]}',
    "error: stack overflow (possible infinite recursion)",
    "",
  ])("a line that is not of the format is kept as text: %j", (line) => {
    expect(parseLogLine(line)).toEqual({ kind: "text", line });
  });

  test("identifiers above 2^53 stay apart", () => {
    const ids = ["9007199254740992", "9007199254740993"].map((id) =>
      parseLogLine(`@nix {"action":"stop","id":${id}}`),
    );
    expect(ids[0]).not.toEqual(ids[1]);
  });
});

describe("lines that threads tore", () => {
  const read = (text: string): LogEvent[] => {
    const events: LogEvent[] = [];
    const reader = eventReader((event) => events.push(event));
    reader.push(new TextEncoder().encode(text));
    reader.end();
    return events;
  };
  const long = `@nix {"action":"msg","level":0,"msg":"error: @nix {\\"x\\"} ${"x".repeat(5_000)}","raw_msg":"why"}`;
  const short = (id: number) => `@nix {"action":"stop","id":${id}}`;

  test("any line, cut anywhere, with whole ones in between", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: long.length - 1 }), { maxLength: 3 }),
        fc.integer({ min: 1, max: 3 }),
        (cuts, between) => {
          let text = "";
          let from = 0;
          let id = 0;
          for (const cut of cuts.toSorted((a, b) => a - b)) {
            text += long.slice(from, cut);
            for (let n = 0; n < between; n += 1) text += `${short((id += 1))}\n`;
            from = cut;
          }
          const events = read(`${text}${long.slice(from)}\n${short(99)}\n`);
          const counts = { text: 0, message: 0, stop: 0, start: 0, result: 0 };
          for (const event of events) counts[event.kind] += 1;
          expect(counts).toEqual({ text: 0, message: 1, stop: id + 1, start: 0, result: 0 });
        },
      ),
    );
  });

  test("what stays torn is text, nothing is lost", () => {
    expect(read(`@nix {"action":"ms${short(1)}\nnothing of it\n`)).toEqual([
      { kind: "stop", id: "1" },
      { kind: "text", line: '@nix {"action":"ms' },
      { kind: "text", line: "nothing of it" },
    ]);
  });

  test("a line made of beginnings takes no longer than its length allows", () => {
    const began = performance.now();
    expect(read("@nix {".repeat(150_000))).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

test("a record that is cut inside its trace still says what it says", () => {
  const place = '{"column":1,"file":"/x/flake.nix","line":2,"raw_msg":"while calling"},';
  const cut = `@nix {"action":"msg","column":3,"file":"/x/flake.nix:4:3","level":0,"line":4,"msg":"error: stack overflow","raw_msg":"stack overflow","trace":[${place.repeat(15_000)}`;
  expect(parseLogLine(cut)).toMatchObject({
    kind: "message",
    error: "stack overflow",
    position: { file: "/x/flake.nix", line: 4, column: 3 },
    trace: [],
  });
});

describe("lines", () => {
  test("a line without end takes bounded memory and is cut", () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    const chunk = new Uint8Array(64 * 1_024).fill(120);
    for (let index = 0; index < 100; index += 1) splitter.push(chunk);
    splitter.push(new TextEncoder().encode("\nnext\nlast"));
    splitter.end();
    expect(lines.map((line) => line.length)).toEqual([LINE_BYTES, 4, 4]);
  });

  test("characters split over chunks come out whole", () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    for (const byte of new TextEncoder().encode("zażółć\n\n❄\n"))
      splitter.push(Uint8Array.of(byte));
    splitter.end();
    expect(lines).toEqual(["zażółć", "", "❄"]);
  });
});
