import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseLogLine } from "../../../src/runner/nix/log/event.ts";
import { LINE_BYTES, lineSplitter } from "../../../src/runner/nix/log/lines.ts";
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
