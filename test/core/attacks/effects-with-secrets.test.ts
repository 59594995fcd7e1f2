import { expect, test } from "vitest";
import { merge } from "../../../src/core/config/merge.ts";
import type { Configuration } from "../../../src/core/config/schema.ts";

/**
 * buildbot-nix warns of it itself: a pull request edits the effect that holds the secret, and the secret is the
 * author's. Of a proposed configuration nothing counts that has effects: no push, machine, rollout, bump, policy, limit
 * or input. What it may add is looked at and built, without any secret.
 */

const evil = {
  version: 1,
  evaluate: [
    { flake: ".", attributes: ["packages", "evil"], import_from_derivation: true },
    { flake: "sub", attributes: ["evil"], import_from_derivation: true },
  ],
  sets: { pull_request: ["evil"], push: [], merge_queue: [] },
  tests: { boot: { run: ["evil"] }, more: { run: ["evil"] } },
  push: { image: { run: ["evil"] }, more: { run: ["evil"] } },
  machines: { discover: [], machine1: { method: "krops", health: [{ http: "https://evil/" }] } },
  rollouts: { web: { on: "push", stages: ["evil"] } },
  bumps: { inventree: { recipe: "evil" } },
  inputs: ["everything"],
  limits: { build_seconds: 1 },
  policy: { trusted: "repository", writers: ["read", "none"], deploy: { permission: "read" } },
} as unknown as Configuration;

const base = {
  version: 1,
  evaluate: [{ flake: ".", attributes: ["packages", "checks"] }],
  sets: { pull_request: ["*"], push: ["*"], merge_queue: ["*"] },
  tests: { boot: { vm: "checks.x86_64-linux.boot" } },
  push: { image: { run: ["nix", "run", ".#push"] } },
  policy: { trusted: "default-branch-and-merge-queue", writers: [] },
} as unknown as Configuration;

test.each([
  ["a configuration", base],
  ["none", { version: 1 } as Configuration],
])("a default branch with %s keeps all that has effects", (_name, from) => {
  const merged = merge(from, evil) as Record<string, unknown>;
  for (const key of Object.keys({ ...from, ...evil })) {
    if (["evaluate", "sets", "tests"].includes(key)) continue;
    expect(merged[key], key).toEqual((from as Record<string, unknown>)[key]);
  }
});

test("what may be added takes nothing away, replaces nothing, and lets no evaluation build", () => {
  const merged = merge(base, evil);
  expect(merged.tests).toMatchObject(base.tests ?? {});
  expect(merged.sets).toEqual({ ...base.sets, pull_request: ["*", "evil"] });
  expect(merged.evaluate?.slice(0, 1)).toEqual(base.evaluate);
  for (const entry of merged.evaluate ?? [])
    expect(entry.import_from_derivation ?? false).toBe(false);
});
