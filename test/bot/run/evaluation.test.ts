import { expect, it } from "vitest";
import { attribute, bench, evaluated, evaluating, HEAD, request } from "./harness.ts";

it("shows what a linter found, once, at its line, and blocks nothing; time and memory beside it", () =>
  evaluating({}, async ({ neighbours, pass, frame, finish }) => {
    await frame(1, { kind: "attributes", attributes: [attribute("far", "aarch64-linux")] });
    const finding = {
      about: "overlays.x",
      message: "is a set, not a function",
      position: { file: "flake.nix", line: 12, column: 3 },
    };
    const told = {
      ...evaluated,
      kind: "evaluated" as const,
      evaluator: "nix",
      degraded: null,
      seconds: 2.34,
      peakBytes: 300 * 2 ** 20,
      warnings: [],
      missing: [],
      findings: [finding, { about: "x", message: "is no output that is known", position: null }],
    };
    await frame(1, told);
    // A second attempt says the same again.
    await frame(1, told);
    await finish(1);
    await pass();
    const check = neighbours.checks()["snowcat / evaluation"];
    expect(check).toMatchObject({ status: "completed", conclusion: "success" });
    expect(check?.annotations).toEqual([
      {
        path: "flake.nix",
        start_line: 12,
        end_line: 12,
        annotation_level: "warning",
        title: "overlays.x",
        message: "is a set, not a function",
      },
    ]);
    expect(check?.summary).toContain("2.3 s, 300 MiB");
    expect(check?.summary.match(/is no output that is known/gu)).toHaveLength(1);
  }));

const ALLOWED = "evaluate:\n  - flake: .\n    import_from_derivation: true\n";

it.each([
  ["a pull request by somebody with write", ALLOWED, null, false, true],
  ["one that only proposes it", null, ALLOWED, false, undefined],
  ["an approved fork", ALLOWED, null, true, undefined],
] as const)("import from derivation for %s", (_name, policy, proposed, fork, expected) =>
  bench(async ({ neighbours, run, pass }) => {
    neighbours.policy = policy;
    neighbours.proposed = proposed;
    const { reason } = request();
    if (reason.kind !== "pull_request") throw new Error(reason.kind);
    await run.start(request({ reason: { ...reason, fork }, approved: fork ? HEAD : null }));
    await pass();
    const [job] = neighbours.queued;
    expect(job?.pool).toBe(fork ? "untrusted" : "trusted");
    expect(job?.work).toMatchObject({
      kind: "evaluate",
      selections: [expected === undefined ? {} : { importFromDerivation: expected }],
    });
  }),
);
