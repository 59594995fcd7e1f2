import { describe, expect, it } from "vitest";
import { attribute, BASE, broken, drv, evaluated, evaluating, HEAD, MERGE } from "./harness.ts";

const line = (name: string, derivation: string | null, selection = "flake:.") =>
  `${JSON.stringify([selection, `packages.x86_64-linux.${name}`, derivation])}\n`;
const whole = {
  kind: "evaluated" as const,
  evaluator: "nix",
  degraded: null,
  seconds: 1,
  peakBytes: null,
  warnings: [],
  missing: [],
};
const push = {
  reason: { kind: "push", head: HEAD, ref: "refs/heads/main", before: null },
} as const;

describe("what differs from the base", () => {
  it("is kept of a branch: names and derivations, not verdicts", () =>
    evaluating(push, async ({ neighbours, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a"), broken("b")] });
      await frame(1, { ...whole, missing: ["gone"] });
      await finish(1);
      await pass(2_000);
      expect(neighbours.evaluations).toEqual([
        { sha: HEAD, pool: "trusted", blob: "evaluations/42-1.ndjson" },
      ]);
      const [first, ...lines] = (neighbours.blobs.get("evaluations/42-1.ndjson") ?? "").split("\n");
      expect(JSON.parse(first ?? "")).toEqual({
        selections: expect.stringMatching(/^[0-9a-f]{64}$/u),
      });
      expect(lines.join("\n")).toBe(line("a", drv("a")) + line("b", null));
    }));

  it("is told of a pull request, in the evaluation's check, with the first report that it is done", () =>
    evaluating({}, async ({ neighbours, pass, frame, finish }) => {
      neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "base" });
      neighbours.blobs.set(
        "base",
        line("same", drv("same")) +
          line("new", drv("old")) +
          line("gone", drv("gone")) +
          line("bad", null),
      );
      await frame(1, {
        kind: "attributes",
        attributes: [attribute("same"), attribute("new"), attribute("more"), broken("bad")],
      });
      await frame(1, evaluated);
      await finish(1);
      await pass(60_000);
      const shown = neighbours.desired.filter(
        ({ name, status }) => name === "snowcat / evaluation" && status === "completed",
      );
      expect(shown.length).toBe(1);
      expect(shown[0]?.summary).toContain(
        `2 of 4 attributes differ from the base (\`${BASE.slice(0, 10)}\`): 1 changed, 1 added, 1 removed.`,
      );
      expect(shown[0]?.summary).toContain("- Changed: `packages.x86_64-linux.new`");
      expect(shown[0]?.summary).toContain("- Removed: `packages.x86_64-linux.gone`");
      expect(neighbours.calls).not.toContain("rememberEvaluation");
    }));

  it.each([
    ["the base was not evaluated", () => {}],
    [
      "its blob is gone",
      (neighbours: { evaluations: object[] }) =>
        void neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "gone" }),
    ],
    [
      "the Repo is away",
      (neighbours: { failing: Set<string> }) => void neighbours.failing.add("recallEvaluation"),
    ],
  ])("is not told where %s, and nothing else changes", (_why, before) =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      before(neighbours);
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await frame(1, evaluated);
      await finish(1);
      await pass();
      await frame(2, {
        kind: "results",
        results: [
          {
            selection: 0,
            path: ["packages", "x86_64-linux", "a"],
            drv: drv("a"),
            verdict: { kind: "succeeded", reused: false },
            seconds: 1,
            log: null,
          },
        ],
      });
      await finish(2);
      await pass(60_000);
      const { summary = "" } = neighbours.checks()["snowcat / evaluation"] ?? {};
      expect(summary).not.toContain("differ");
      expect(summary).toContain("What it changes is unknown.");
      expect(await run.view()).toMatchObject({ conclusion: "success", merge: MERGE });
    }),
  );
});
