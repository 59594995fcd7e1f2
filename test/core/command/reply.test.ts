import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Asked, Facts, Judgement } from "../../../src/core/command/command.ts";
import { judge } from "../../../src/core/command/judge.ts";
import { readCommands } from "../../../src/core/command/read.ts";
import {
  type CommandEntry,
  renderAskForSha,
  renderCommands,
  renderHelp,
  renderStatus,
} from "../../../src/core/command/reply.ts";
import { bytes } from "../../../src/core/report/bounded.ts";
import { active, ada, asked, bob, eve, facts, finished, HEAD, OLD, pull } from "./facts.ts";

const HOSTILE =
  "`@everyone` **x** <img src=x> [a](https://evil.example) | \u202e\u001b[31m /deploy\n/deploy all";
const why = (a: Asked, f: Partial<Facts> = {}): string => {
  const judged: Judgement = judge(a, facts(f));
  return judged.kind === "act"
    ? "act"
    : `${judged.kind === "refuse" ? judged.code : judged.kind}: ${judged.why}`;
};

/** Each kind of refusal, in its words. */
const REFUSALS = (): string[] => {
  const fork = pull({ fork: true, author: "eve", sender: eve });
  const deploy = asked("deploy", ["machine1"]);
  const maintain = { role: "maintain" };
  const teams = (of: string[], permission?: "admin") => ({
    policy: { writers: [], commands: { build: { teams: of, permission } } },
  });
  const approvals = (given: Facts["approvals"], wanted = 2) => ({
    ...maintain,
    policy: { writers: [], commands: { deploy: { approvals: wanted } } },
    approvals: given,
  });
  const carol = { login: "carol", id: 6, type: "User" };
  return [
    why(asked("build", [], { by: { login: "renovate[bot]", id: 9, type: "Bot" } })),
    why(asked("build"), { role: null }),
    why(asked("build"), { role: "read" }),
    why(asked("build"), { role: HOSTILE }),
    why(asked("build"), teams(["ops"])),
    why(asked("build"), teams(["ops", "dev", "release"], "admin")),
    why(asked("build"), { policy: { writers: [], commands: { build: { teams: [] } } } }),
    why(asked("status"), { pull: null }),
    why(asked("build"), { pull: pull({ state: "closed" }) }),
    why(deploy, { ...maintain, pull: fork }),
    why(asked("approve", [HEAD]), { pull: fork }),
    why(asked("ok-to-test", [OLD])),
    why(asked("build"), { pull: fork }),
    why(asked("build"), { pull: pull({ headSeenAt: null }) }),
    why(asked("build"), {
      role: "triage",
      policy: { writers: [], commands: { build: { permission: "triage" } } },
    }),
    why(asked("build", [HEAD]), { pull: fork }),
    why(asked("approve", [HEAD], { by: ada })),
    why(asked("approve", [HEAD], { by: eve }), { pull: pull({ sender: eve }) }),
    why(deploy, { ...maintain, runs: [] }),
    why(deploy, { ...maintain, runs: [active(3)] }),
    why(deploy, { ...maintain, runs: [finished("failure", 3)] }),
    why(deploy, approvals([], 1)),
    why(deploy, approvals([{ by: carol, sha: HEAD }])),
    why(deploy, {
      ...maintain,
      locks: [{ machine: "machine1", by: "carol", pull: 8, reason: null }],
    }),
    why(deploy, {
      ...maintain,
      locks: [{ machine: "machine1", by: "carol", pull: null, reason: HOSTILE }],
    }),
    why(asked("unlock", ["machine1"]), {
      locks: [{ machine: "machine1", by: "carol", pull: 8, reason: "moving" }],
    }),
    why(deploy, maintain),
    why(asked("test", ["boot"])),
    why(asked("bump", ["inventree"])),
    why(asked("cancel")),
    why(asked("cancel", ["9"])),
    why(asked("retry"), { runs: [] }),
    why(asked("retry"), { runs: [active(3)] }),
    why(asked("retry")),
    why(asked("ok-to-test", [HEAD]), { pull: pull({ approved: HEAD, approvedBy: "bob" }) }),
    why(asked("approve", [HEAD]), { approvals: [{ by: bob, sha: HEAD }] }),
  ];
};

const PROBLEMS = [
  "/biuld",
  "/deploy",
  "/deploy web1 --frce",
  "/build --x",
  "/deploy web1\u202e",
  "> q\n/build",
  "/ok-to-test abc123",
  "/rollback web1 `@x`",
  'build\n/build "',
  "/build a\n".repeat(11),
].flatMap((body) =>
  readCommands(body).lines.map((line) => (line.kind === "problem" ? line.problem : "?")),
);

const entry = (over: Partial<CommandEntry> = {}): CommandEntry => ({
  text: "/build checks.*",
  by: bob,
  comment: 12,
  state: "done",
  outcome: { kind: "done", text: "Run 3 was started." },
  ...over,
});

describe("golden files", () => {
  test.each<[string, () => string]>([
    [
      "refusals",
      () =>
        REFUSALS()
          .map((text) => `- ${text}\n`)
          .join(""),
    ],
    ["problems", () => PROBLEMS.map((text) => `- ${text}\n`).join("")],
    [
      "commands",
      () =>
        renderCommands([
          entry({ text: "/retry", state: "asked", outcome: null }),
          entry({ text: "/ok-to-test x", state: "acting", outcome: null, comment: null }),
          entry(),
          entry({ text: `/build ${HOSTILE}`, by: { login: HOSTILE } }),
          entry({ outcome: { kind: "refused", text: REFUSALS()[1] ?? "" } }),
          entry({ outcome: { kind: "asked-for-sha", text: "Name the commit." } }),
          entry({ outcome: { kind: "problem", text: "" }, text: PROBLEMS[0] ?? "" }),
          entry({
            text: "/status",
            outcome: { kind: "done", text: "one\n\n| a |\n|---|\n| b |\n" },
          }),
        ]),
    ],
    [
      "help",
      () =>
        renderHelp({ writers: [], commands: { build: { permission: "triage", teams: ["ops"] } } }),
    ],
    [
      "status",
      () =>
        renderStatus(
          facts({
            pull: pull({ fork: true, approved: HEAD, approvedBy: "bob" }),
            runs: [
              active(3),
              finished("failure", 2),
              { ...finished("success"), state: "superseded" },
            ],
            approvals: [
              { by: bob, sha: HEAD },
              { by: eve, sha: OLD },
            ],
            locks: [
              { machine: "web1", by: "carol", pull: 8, reason: HOSTILE },
              { machine: "web2", by: "carol", pull: null, reason: null },
            ],
          }),
        ),
    ],
    [
      "ask-for-sha",
      () => {
        const judged = judge(
          asked("build", ["checks.*"]),
          facts({ pull: pull({ headSeenAt: null }) }),
        );
        return judged.kind === "ask-for-sha" ? renderAskForSha(judged) : "";
      },
    ],
  ])("%s", async (name, render) => {
    await expect(render()).toMatchFileSnapshot(`golden/${name}.md`);
  });
});

describe("the section of the sticky comment", () => {
  test("has the newest commands first, twenty of them, and says how many more there were", () => {
    const many = Array.from({ length: 31 }, (_, n) => entry({ text: `/cancel ${n + 1}` }));
    const section = renderCommands(many);
    expect(section.indexOf("/cancel 31")).toBeLessThan(section.indexOf("/cancel 12"));
    expect(section).not.toContain("/cancel 11`");
    expect(section).toContain("… and 11 earlier");
    expect(renderCommands([])).toBe("");
  });

  test("stays within its size", () => {
    const long = entry({ outcome: { kind: "refused", text: "é".repeat(3_000) } });
    const section = renderCommands(Array.from({ length: 30 }, () => long));
    expect(bytes(section)).toBeLessThan(24_100);
    expect(section).toMatch(/… and \d+ earlier/u);
  });

  test("whatever was typed, it is code on one line, and no command", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from("`@|\n\r <>*[]()!/build#\u202e\u200b")) }),
        fc.string({ unit: fc.constantFrom(...Array.from("`@|\n /build")) }),
        (text, login) => {
          const section = renderCommands([entry({ text, by: { login } })]);
          expect(section.trimEnd().split("\n")).toHaveLength(3);
          expect(readCommands(section).lines).toEqual([]);
          // Outside of code spans nothing of it is left.
          const spans = section.replace(/(?<!`)(`+)(?!`).*?[^`]\1(?!`)/gsu, "");
          expect(spans).toBe("### Commands\n\n- ✅ [](#issuecomment-12) by : Run 3 was started.\n");
        },
      ),
    );
  });

  test("none of the answers is a command", () => {
    const judged = judge(asked("build"), facts({ pull: pull({ headSeenAt: null }) }));
    const ask = judged.kind === "ask-for-sha" ? renderAskForSha(judged) : "";
    expect(ask).toContain(`\n/build ${HEAD}\n`);
    for (const text of [
      ask,
      renderHelp({ writers: [], commands: {} }),
      renderStatus(facts()),
      ...REFUSALS(),
      ...PROBLEMS,
    ])
      expect(readCommands(text).lines).toEqual([]);
  });
});
