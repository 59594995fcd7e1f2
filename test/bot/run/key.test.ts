import { describe, expect, it } from "vitest";
import type { RunRequest } from "../../../src/bot/objects/contracts.ts";
import { attribute, built, evaluated, evaluating, HEAD, type Neighbours } from "./harness.ts";

/** The key under which a green run's tree is remembered; null where it is not. */
async function keyOf(
  before: (neighbours: Neighbours) => void = () => {},
  change: Partial<RunRequest> = {},
  impure?: boolean,
): Promise<{ key: string | null; asked: boolean }> {
  let found: { key: string | null; asked: boolean } = { key: null, asked: false };
  await evaluating(
    change,
    async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await frame(1, impure === undefined ? evaluated : Object.assign({ impure }, evaluated));
      await finish(1);
      await pass();
      await frame(2, { kind: "results", results: [built("a")] });
      await finish(2);
      await pass(60_000);
      expect(await run.view()).toMatchObject({ conclusion: "success" });
      found = {
        key: neighbours.trees[0]?.key ?? null,
        asked: neighbours.calls.includes("recallTree"),
      };
    },
    before,
  );
  return found;
}

describe("a judged tree's key", () => {
  it("is the same for the same, whatever else the run is", async () => {
    const first = await keyOf();
    expect(first).toEqual({ key: expect.stringMatching(/^[0-9a-f]{64}$/u), asked: true });
    expect(
      await keyOf((neighbours) => {
        neighbours.policy = "limits: { build_seconds: 60 }\n";
      }),
    ).toEqual(first);
  });

  it.each<[string, (neighbours: Neighbours) => void, Partial<RunRequest>?]>([
    [
      "what is evaluated",
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., attributes: [packages] }]\n";
      },
    ],
    [
      "what is required",
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., systems: [x86_64-linux, aarch64-linux] }]\n";
      },
    ],
    [
      "the kind of run's set",
      (neighbours) => {
        neighbours.policy = 'sets: { pull_request: ["packages.*"] }\n';
      },
    ],
    [
      "the tree",
      (neighbours) => {
        if (neighbours.commit.ok) neighbours.commit.value.tree = "8".repeat(40);
      },
    ],
    [
      "an evaluator of the pool",
      (neighbours) => {
        neighbours.classes[0]!.evaluators = ["nix (Nix) 2.26.3"];
      },
    ],
  ])("depends on %s", async (_what, before) => {
    const other = await keyOf(before);
    expect(other.key).toMatch(/^[0-9a-f]{64}$/u);
    expect(other.key).not.toBe((await keyOf()).key);
  });

  it("depends on the pool", async () => {
    const trusted = await keyOf(undefined, {
      reason: { kind: "push", ref: "refs/heads/topic", head: HEAD, before: null },
    });
    const untrusted = await keyOf(
      (neighbours) => {
        neighbours.policy = "policy: { trusted: default-branch-and-merge-queue }\n";
      },
      { reason: { kind: "push", ref: "refs/heads/topic", head: HEAD, before: null } },
    );
    expect(trusted.key).not.toBeNull();
    expect(untrusted.key).not.toBe(trusted.key);
  });

  it.each([
    ["a flake reads its revision", "evaluate: [{ flake: ., revision: true }]\n"],
    ["a file is evaluated", "evaluate: [{ flake: . }, { file: default.nix, attributes: [a] }]\n"],
  ])("is none where %s: neither asked for nor remembered", async (_what, policy) => {
    expect(
      await keyOf((neighbours) => {
        neighbours.policy = policy;
      }),
    ).toEqual({ key: null, asked: false });
  });

  it("is dropped where the evaluation turned out to be impure", async () => {
    expect(await keyOf(undefined, {}, true)).toEqual({ key: null, asked: true });
    expect((await keyOf(undefined, {}, false)).key).not.toBeNull();
  });
});
