import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytes, FIELD_BYTES } from "../../../src/core/report/bounded.ts";
import { block, code, line, plain } from "../../../src/core/report/escape.ts";
import {
  buildCheck,
  causeCheck,
  causeName,
  evaluationCheck,
  overallCheck,
  type Cause,
  type CheckBody,
  type Flaky,
  type Listed,
  type Summary,
} from "../../../src/core/report/index.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { awkwardNames } from "../../hostile/names.ts";
import { faults, firstColumn, hostile } from "./markdown.ts";

const url = "https://snowcat.example/runs/42-1";
const drv = `/nix/store/${"0".repeat(32)}-a.drv`;
const told = { run: "42-1", url: `${url}/logs/42-1.2/1/a.drv` };
const short = hostile.map((text) => text.slice(0, 250));

/** Every arm of the union, with hostile text wherever an arm has text. */
const verdict: fc.Arbitrary<Verdict> = fc
  .tuple(hostile, short, fc.boolean())
  .chain(([text, name, flag]) =>
    fc.constantFrom<Verdict>(
      { kind: "succeeded", reused: flag },
      { kind: "failed", drv, exitCode: flag ? 1 : null, logTail: text },
      { kind: "dependency-failed", cause: drv, verdict: name.slice(0, 64), logTail: text },
      { kind: "hash-mismatch", drv, specified: name, got: name },
      { kind: "timed-out", limitSeconds: 1, logTail: text },
      { kind: "silent", limitSeconds: 1, logTail: text },
      { kind: "out-of-memory", limitBytes: flag ? 1 : null, logTail: text },
      { kind: "out-of-disk", logTail: text },
      { kind: "evaluation-error", message: text, position: null },
      {
        kind: "evaluation-error",
        message: text,
        position: { file: name || "x", line: 1, column: 1 },
      },
      { kind: "conflict", message: text },
      { kind: "no-runner", missing: [name, name] },
      { kind: "needs-exchange", drv, system: name.slice(0, 64), missing: [name] },
      { kind: "not-covered", reason: text },
      { kind: "evaluated-only" },
      { kind: "needs-approval", reason: text },
      { kind: "cancelled", by: name },
      { kind: "superseded", by: name },
      { kind: "infrastructure", message: text, logTail: text },
    ),
  );
const flaky: fc.Arbitrary<Flaky> = fc.record({
  name: hostile,
  proof: fc.constantFrom(null, { failed: told, passed: told, failures: 1, passes: 2 }),
  times: fc.nat(3),
});
const listed: fc.Arbitrary<Listed> = fc.record({
  name: hostile,
  system: fc.constantFrom("x86_64-linux", null),
  required: fc.boolean(),
  verdict: fc.option(verdict),
  seconds: fc.constantFrom(0, 0.51, 700),
  flaky: fc.boolean(),
});
const cause: fc.Arbitrary<Cause> = fc.record({
  label: hostile,
  drv: fc.constantFrom(drv, null),
  verdict,
  dependents: fc.array(hostile, { maxLength: 3 }),
  total: fc.integer({ min: 1, max: 50 }),
  log: fc.constantFrom(told.url, null),
  flaky: fc.option(flaky),
});
const summary: fc.Arbitrary<Summary> = fc.record({
  phase: fc.constantFrom<Summary["phase"]>("evaluating", "building", "finished"),
  head: fc.constant("1".repeat(40)),
  built: fc.constantFrom("2".repeat(40), null),
  base: fc.constantFrom("3".repeat(40), null),
  pool: fc.constantFrom("trusted", null),
  requiredSystems: fc.constant(["x86_64-linux"]),
  evaluation: fc.option(verdict),
  stopped: fc.option(verdict),
  conclusion: fc.constantFrom<Summary["conclusion"]>("failure", null),
  counts: fc.constant([{ kind: "failed" as const, required: true, count: 2 }]),
  attributes: fc.constant(9),
  pending: fc.constant(2),
  replayOf: fc.constantFrom("42-7", null),
  evaluator: fc.option(
    fc.record({
      name: short,
      degraded: fc.option(hostile),
      seconds: fc.constant(3),
      peakBytes: fc.constant(null),
    }),
  ),
  difference: fc.option(
    fc.record({
      base: fc.constant("3".repeat(40)),
      of: fc.constant(3),
      changed: fc.constant(2),
      added: fc.constant(0),
      removed: fc.constant(0),
      names: fc.array(fc.record({ kind: fc.constant("changed" as const), name: hostile }), {
        maxLength: 2,
      }),
    }),
  ) as fc.Arbitrary<Summary["difference"]>,
  seconds: fc.constant(61),
  longest: fc.array(fc.record({ name: hostile, seconds: fc.constant(9) }), { maxLength: 2 }),
  reused: fc.constant(1),
  flaky: fc.array(flaky, { maxLength: 2 }).map((list) => ({ total: list.length + 1, list })),
  notices: fc.array(hostile, { maxLength: 3 }),
  findings: fc.array(
    fc.record({
      about: hostile,
      message: hostile,
      position: fc.option(
        fc.record({
          file: short.map((one) => one || "x"),
          line: fc.constant(1),
          column: fc.constant(null),
        }),
      ),
    }),
    { maxLength: 2 },
  ),
  approval: fc.constant(null),
  url: fc.constant(url),
});

/** What GitHub takes of a check run. */
function expectWithin(check: CheckBody): void {
  expect(check.title.length).toBeLessThanOrEqual(255);
  expect(check.title).not.toMatch(/[\n\r]/u);
  expect(bytes(check.summary)).toBeLessThanOrEqual(FIELD_BYTES);
  expect(bytes(check.text ?? "")).toBeLessThanOrEqual(FIELD_BYTES);
  expect(check.actions.length).toBeLessThanOrEqual(3);
  for (const { label, description, identifier } of check.actions) {
    expect(label.length).toBeLessThanOrEqual(20);
    expect(description.length).toBeLessThanOrEqual(40);
    expect(identifier.length).toBeLessThanOrEqual(20);
  }
  for (const { path, title, message } of check.annotations) {
    expect(title.length).toBeLessThanOrEqual(255);
    expect(bytes(message)).toBeLessThanOrEqual(65_535);
    expect(path).not.toMatch(/^\/|(?:^|\/)\.\.?(?:\/|$)|[\u0000-\u001f\\]/u);
  }
}

describe("whatever the repository is made of", () => {
  it("no check has a link, mention, image or HTML in it, nor a command at the start of a line", () => {
    fc.assert(
      fc.property(
        summary,
        fc.array(listed, { maxLength: 4 }),
        fc.array(cause, { maxLength: 3 }),
        (run, attributes, causes) => {
          for (const check of [
            overallCheck(run, attributes, causes),
            evaluationCheck(run, attributes, attributes.length),
            buildCheck(run, attributes, causes),
            ...causes.map((one) => causeCheck(one, url)),
          ]) {
            expect(faults(check.summary)).toEqual([]);
            expect(faults(check.text ?? "")).toEqual([]);
            expectWithin(check);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("every attribute has its row, in which its name is all of the first cell", () => {
    fc.assert(
      fc.property(fc.array(listed, { minLength: 1, maxLength: 4 }), (attributes) => {
        const run = fc.sample(summary, { numRuns: 1, seed: 1 })[0];
        const { text } = overallCheck(
          { ...(run as Summary), phase: "finished", attributes: attributes.length },
          attributes,
          [],
        );
        expect(firstColumn(text ?? "").toSorted()).toEqual(
          attributes.map(({ name }) => code(name)).toSorted(),
        );
      }),
    );
  });

  it.each(awkwardNames.map((name) => [JSON.stringify(name).slice(0, 40), name]))(
    "an attribute called %s is text in a name, a cell, a block and a title",
    (_label, name) => {
      expect(
        faults(`| ${code(name)} | x |\n|---|---|\n| ${code(name)} | ${code(name)} |\n`),
      ).toEqual([]);
      expect(faults(block(name))).toEqual([]);
      const check = causeName(name, "abc", new Set());
      expect(check).toMatch(/^snowcat \/ ./u);
      expect(check).not.toMatch(/[\u0000-\u001f\u200b-\u200f\u202a-\u202e]/u);
      expect(check.length).toBeLessThanOrEqual(200);
    },
  );
});

describe("a quoted log", () => {
  it("has no command and no mention left in it, and everything else", () => {
    expect(
      block(
        "/deploy machine1\n  /ok-to-test abc\n/nix/store/x: no such file\n@dependabot merge\nmail a@b.example npm@1.0 (@types/node)\n",
      ),
    ).toBe(
      "```text\n> /deploy machine1\n  > /ok-to-test abc\n/nix/store/x: no such file\n＠dependabot merge\nmail a@b.example npm@1.0 (＠types/node)\n```",
    );
  });

  it("is quoted after it was cut: a command may begin where the cut is", () => {
    expect(block("xxx/deploy machine1", 16)).toContain("\n> /deploy machine1\n");
  });

  it("shows what is meant not to be seen", () => {
    expect(plain("a\u200bb\u202ec\u2066d\u{e0041}e\u3164f\u00adg\ufeffh")).toBe(
      "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffdh",
    );
    expect(line("✔\ufe0f done")).toBe("✔\ufe0f done");
  });
});

describe("GitHub's limits", () => {
  it("hold for notices and findings of any length, in characters of four bytes", () => {
    const [run] = fc.sample(summary, { numRuns: 1, seed: 3 });
    const long = "🐱".repeat(4_000);
    const big: Summary = {
      ...(run as Summary),
      phase: "finished",
      stopped: null,
      evaluation: { kind: "evaluation-error", message: long, position: null },
      notices: Array.from({ length: 100 }, () => long),
      findings: Array.from({ length: 100 }, () => ({
        about: long,
        message: long,
        position: { file: "flake.nix", line: 1, column: null },
      })),
    };
    const attributes = Array.from({ length: 700 }, (_, n): Listed => ({
      name: `${long}${n}`,
      system: null,
      required: true,
      verdict: {
        kind: "evaluation-error",
        message: long,
        position: { file: `f${n}.nix`, line: 1, column: null },
      },
      seconds: 0,
    }));
    for (const check of [
      overallCheck(big, attributes, []),
      evaluationCheck(big, attributes, 700),
      buildCheck(big, attributes, []),
    ]) {
      expectWithin(check);
      expect(faults(check.summary)).toEqual([]);
      expect(check.summary).toContain(url);
    }
    expect(evaluationCheck(big, attributes, 700).annotations.length).toBeLessThanOrEqual(200);
  });
});
