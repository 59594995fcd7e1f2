import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  againCheck,
  buildCheck,
  causeCheck,
  causeName,
  evaluationCheck,
  overallCheck,
  type Cause,
  type CheckBody,
  type Listed,
  type Summary,
} from "../../../src/core/report/index.ts";
import { block, code, line } from "../../../src/core/report/escape.ts";
import { ROOTED, SURROUNDINGS } from "./verdicts.ts";
import { bytes, FIELD_BYTES } from "../../../src/core/report/bounded.ts";

const url = "https://snowcat.example/runs/42-1";
const drv = (name: string) => `/nix/store/${"0".repeat(32)}-${name}.drv`;
const summary: Summary = {
  phase: "finished",
  head: "1".repeat(40),
  built: "2".repeat(40),
  base: "3".repeat(40),
  pool: "trusted",
  requiredSystems: ["x86_64-linux"],
  evaluation: { kind: "succeeded", reused: false },
  stopped: null,
  conclusion: "failure",
  attributes: 4,
  pending: 0,
  replayOf: null,
  counts: [
    { kind: "succeeded", required: true, count: 1 },
    { kind: "failed", required: true, count: 1 },
    { kind: "dependency-failed", required: true, count: 1 },
    { kind: "evaluation-error", required: true, count: 1 },
  ],
  evaluator: { name: "nix-eval-jobs", degraded: null, seconds: 12.4, peakBytes: 3 * 2 ** 20 },
  seconds: 251.2,
  longest: [{ name: "packages.x86_64-linux.app", seconds: 65.2 }],
  reused: 0,
  flaky: { total: 0, list: [] },
  notices: ["trace: @everyone <b>hello</b>"],
  findings: [],
  difference: null,
  approval: null,
  url,
};
const failed = {
  kind: "failed",
  drv: drv("app-1.0"),
  exitCode: 2,
  logTail:
    "building\n```\n@admin see <img src=x> https://evil.example\n\u001b[31merror\u001b[0m: no",
} as const;
const listed: Listed[] = [
  {
    name: "packages.x86_64-linux.app",
    system: "x86_64-linux",
    required: true,
    verdict: failed,
    seconds: 65.2,
  },
  {
    name: "checks.x86_64-linux.app",
    system: "x86_64-linux",
    required: true,
    verdict: { kind: "dependency-failed", cause: drv("app-1.0"), verdict: "failed", logTail: "" },
    seconds: 0,
  },
  {
    name: 'packages.x86_64-linux."a|b`c"',
    system: "x86_64-linux",
    required: true,
    verdict: {
      kind: "evaluation-error",
      message: "attribute 'x' missing\n```\n# not a heading",
      position: { file: "pkgs/a.nix", line: 7, column: 3 },
    },
    seconds: 0,
  },
  {
    name: "packages.x86_64-linux.lib",
    system: "x86_64-linux",
    required: true,
    verdict: { kind: "succeeded", reused: false },
    seconds: 3.14,
  },
];
const cause: Cause = {
  label: "packages.x86_64-linux.app",
  drv: drv("app-1.0"),
  verdict: failed,
  dependents: ["packages.x86_64-linux.app", "checks.x86_64-linux.app"],
  total: 2,
  log: `${url}/logs/42-1.2/1/app`,
  flaky: null,
};

function golden(check: CheckBody): string {
  return `${check.status} ${check.conclusion ?? ""}: ${check.title}\n\n== summary\n${check.summary}\n== text\n${check.text ?? ""}\n== annotations\n${JSON.stringify(check.annotations, null, 1)}\n== actions\n${JSON.stringify(check.actions)}\n`;
}

describe("golden files", () => {
  it.each<[string, () => CheckBody]>([
    ["overall-failure", () => overallCheck(summary, listed, [cause])],
    [
      "evaluation-error",
      () =>
        evaluationCheck(
          summary,
          listed.filter(({ verdict }) => verdict?.kind === "evaluation-error"),
          1,
        ),
    ],
    [
      "evaluation-findings",
      () =>
        evaluationCheck(
          {
            ...summary,
            counts: [{ kind: "succeeded", required: true, count: 4 }],
            findings: [
              {
                about: "apps.x86_64-linux.`x`",
                message: 'has no type; it should be "app" @admin',
                position: { file: "nix/apps.nix", line: 4, column: 9 },
              },
              { about: "overlays.default", message: "is a set", position: null },
              {
                about: "x",
                message: "elsewhere",
                position: { file: "../../etc/passwd", line: 1, column: null },
              },
            ],
          },
          [],
          0,
        ),
    ],
    [
      "build-failure",
      () =>
        buildCheck(
          summary,
          listed.filter(({ verdict }) => verdict?.kind !== "evaluation-error"),
          [cause],
        ),
    ],
    ["cause", () => causeCheck(cause, url)],
    [
      "cause-again",
      () => {
        const said = causeCheck(cause, url);
        const by = { run: "42-2", url: "https://snowcat.example/runs/42-2" };
        return { ...said, ...againCheck({ ...said, url }, by) };
      },
    ],
    ...ROOTED.map((verdict): [string, () => CheckBody] => [
      `cause-${verdict.kind}`,
      () => causeCheck({ ...cause, verdict, dependents: [cause.label], total: 1 }, url),
    ]),
    [
      "cause-below",
      () =>
        causeCheck(
          {
            label: "openssl-3.0.tar.gz",
            drv: drv("openssl-3.0.tar.gz"),
            verdict: {
              kind: "dependency-failed",
              cause: drv("openssl-3.0.tar.gz"),
              verdict: "hash-mismatch",
              logTail: `specified: sha256-${"A".repeat(43)}=\n      got: sha256-${"B".repeat(43)}=`,
            },
            dependents: ["packages.x86_64-linux.app", "checks.x86_64-linux.app"],
            total: 130,
            log: null,
            flaky: null,
          },
          url,
        ),
    ],
    [
      "overall-surroundings",
      () =>
        overallCheck(
          {
            ...summary,
            conclusion: "action_required",
            counts: [
              { kind: "succeeded", required: true, count: 1 },
              { kind: "infrastructure", required: true, count: 2 },
              { kind: "no-runner", required: true, count: 1 },
            ],
            notices: [],
          },
          SURROUNDINGS,
          [],
        ),
    ],
    [
      "evaluation-difference",
      () =>
        evaluationCheck(
          {
            ...summary,
            counts: [{ kind: "succeeded", required: true, count: 500 }],
            attributes: 500,
            notices: [],
            difference: {
              base: summary.base!,
              of: 500,
              changed: 41,
              added: 1,
              removed: 1,
              names: [
                ...Array.from({ length: 40 }, (_, n) => ({
                  kind: "changed" as const,
                  name: `packages.x86_64-linux.a${n}`,
                })),
                { kind: "added", name: 'packages.x86_64-linux."`@admin`"' },
                { kind: "removed", name: "checks.x86_64-linux.old" },
              ],
            },
          },
          [],
          0,
        ),
    ],
    [
      "needs-approval",
      () =>
        overallCheck(
          {
            ...summary,
            phase: "waiting-approval",
            pool: null,
            evaluation: null,
            conclusion: null,
            counts: [],
            attributes: 0,
            evaluator: null,
            notices: [],
            findings: [],
            stopped: { kind: "needs-approval", reason: "The head is in another repository." },
            approval: `/ok-to-test ${summary.head}`,
          },
          [],
          [],
        ),
    ],
    [
      "conflict",
      () =>
        overallCheck(
          {
            ...summary,
            built: null,
            pool: null,
            evaluation: null,
            conclusion: "action_required",
            counts: [],
            attributes: 0,
            evaluator: null,
            notices: [],
            findings: [],
            stopped: { kind: "conflict", message: "The head does not merge." },
          },
          [],
          [],
        ),
    ],
    [
      "progress",
      () =>
        overallCheck(
          {
            ...summary,
            phase: "building",
            conclusion: null,
            pending: 3,
            counts: [{ kind: "succeeded", required: true, count: 1 }],
          },
          [],
          [],
        ),
    ],
    [
      "replayed",
      () =>
        overallCheck(
          {
            ...summary,
            conclusion: "success",
            counts: [{ kind: "succeeded", required: true, count: 4 }],
            replayOf: "42-0",
            evaluator: null,
            notices: [],
            findings: [],
          },
          [],
          [],
        ),
    ],
  ])("%s", async (name, render) => {
    await expect(golden(render())).toMatchFileSnapshot(`golden/${name}.md`);
  });
});

describe("text of attackers", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.stringMatching(/^[`|\\\n<@ #~\-a]{0,40}$/u),
  );
  it("stays within its code span, on one line, in its cell", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const span = code(text);
        expect(span).not.toMatch(/[\n|]/u);
        const fence = /^`+/u.exec(span)?.[0] ?? "";
        expect(fence.length).toBeGreaterThan(0);
        // No run of backticks inside is as long as the fence: nothing closes it early.
        const inner = span.slice(fence.length, -fence.length);
        expect(inner.split(/[^`]+/u).some((run) => run.length === fence.length)).toBe(false);
      }),
    );
  });

  it("cannot close its block", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const lines = block(text).split("\n");
        const fence = /^`+/u.exec(lines[0] ?? "")?.[0] ?? "";
        expect(lines.slice(1, -1).some((one) => one.trimStart().startsWith(fence))).toBe(false);
        expect(lines.at(-1)).toBe(fence);
      }),
    );
  });

  it("takes no name of an aggregate, nor one that is taken", () => {
    expect(causeName("build", "abc", new Set())).toBe("snowcat / build (abc)");
    expect(causeName("evaluation\n", "abc", new Set())).toBe("snowcat / evaluation (abc)");
    expect(causeName("x", "abc", new Set(["snowcat / x", "snowcat / x (abc)"]))).toBe(
      "snowcat / x (abc) 2",
    );
    expect(line("a\u202eb\u0000")).toBe("a\ufffdb\ufffd");
  });
});

describe("bounds", () => {
  it("keeps every field below GitHub's limit and says what was cut", () => {
    const many: Listed[] = Array.from({ length: 700 }, (_, n) => ({
      name: `packages.x86_64-linux.${"ü".repeat(150)}${n}`,
      system: "x86_64-linux",
      required: true,
      verdict: { ...failed, logTail: "`".repeat(16_000) },
      seconds: 1,
    }));
    const causes: Cause[] = many.slice(0, 40).map((one) => ({
      ...cause,
      label: one.name,
      verdict: { ...failed, logTail: "`".repeat(16_000) },
    }));
    const big = {
      ...summary,
      attributes: 10_000,
      notices: Array.from({ length: 100 }, () => "é".repeat(4_000)),
    };
    for (const check of [
      overallCheck(big, many, causes),
      buildCheck(big, many, causes),
      evaluationCheck(big, many, 10_000),
      causeCheck({ ...cause, dependents: many.map(({ name }) => name), total: 9_000 }, url),
    ]) {
      expect(bytes(check.text ?? "")).toBeLessThanOrEqual(FIELD_BYTES);
      expect(bytes(check.summary)).toBeLessThanOrEqual(FIELD_BYTES);
      expect(check.text).toMatch(/more (?:entries|attributes)/u);
    }
  });
});
