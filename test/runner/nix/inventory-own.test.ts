import { expect, test } from "vitest";
import { withOwn } from "../../../src/runner/nix/evaluate/inventory-own.ts";
import type { LaunchResult, Workspace } from "../../../src/runner/nix/launch.ts";

/** What stands for Nix: it is told an expression, and answers with text or fails. */
function evaluator(answer: (expression: string) => string | null) {
  const asked: string[] = [];
  const workspace: Workspace = {
    directory: "/job",
    secrets: "/secrets",
    endings: async () => new Map(),
    store: {
      ask: () => {
        throw new Error("nobody asks the store");
      },
    },
    async launch({ argv }): Promise<LaunchResult> {
      const expression = argv.at(-1) ?? "";
      asked.push(/"([^"]*)"\)? \(outputs\)$/u.exec(expression)?.[1] ?? expression);
      const said = answer(asked.at(-1) ?? "");
      return {
        exitCode: said === null ? 1 : 0,
        signal: null,
        durationMs: 0,
        timedOut: false,
        cancelled: false,
        outOfMemory: false,
        peakBytes: null,
        startFailure: null,
        stdout: new TextEncoder().encode(said ?? ""),
        stderr: new TextEncoder().encode("error: infinite recursion"),
        truncated: false,
      };
    },
  };
  const given = {
    workspace,
    root: { outputs: "outputs", source: "null" },
    arguments: [],
    network: "none" as const,
    memoryBytes: 1,
    signal: new AbortController().signal,
    onWarning: () => {},
    onPeak: () => {},
  };
  return { given, asked };
}

const machine = (name: string, more = {}) => ({
  selection: 0,
  machine: name,
  class: "nixos",
  tags: [],
  roles: [],
  targetHost: null,
  explicit: false,
  hold: null,
  ...more,
});

test("CLAN-8: who was not met is asked alone, and one that fails costs the others nothing", async () => {
  const { given, asked } = evaluator((name) =>
    name === "bad" ? null : JSON.stringify({ targetHost: `root@${name}`, explicit: true }),
  );
  const machines = await withOwn(
    [
      machine("bad"),
      machine("good"),
      machine("met"),
      machine("listed", { targetHost: "root@inventory" }),
      machine("unseen"),
      machine("mac", { class: "darwin" }),
    ],
    new Set(["bad", "good", "met", "listed"]),
    new Map([["met", { targetHost: "root@walk", explicit: false }]]),
    given,
    () => 1_000,
  );
  expect(asked.toSorted()).toEqual(["bad", "good"]);
  expect(machines.map((one) => [one.machine, one.targetHost, one.explicit])).toEqual([
    ["bad", null, false],
    ["good", "root@good", true],
    ["met", "root@walk", false],
    ["listed", "root@inventory", false],
    ["unseen", null, false],
    ["mac", null, false],
  ]);
});

test("nobody is asked when the time of the evaluation is over", async () => {
  const { given, asked } = evaluator(() => null);
  await withOwn([machine("late")], new Set(["late"]), new Map(), given, () => 0);
  expect(asked).toEqual([]);
});
