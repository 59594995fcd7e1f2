import { env } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { inputToken } from "../../../src/bot/api/input-token.ts";
import type { Environment } from "../../../src/bot/environment.ts";
import type { RunRequest } from "../../../src/bot/objects/contracts.ts";
import type { RunReason } from "../../../src/core/repo/request.ts";
import { BASE, evaluating, HEAD, request } from "./harness.ts";

/** What a run of somebody whom nobody vouches for gets, and does not: each origin that ends in the untrusted pool. */

const pull = (fork: boolean): RunReason => ({
  kind: "pull_request",
  number: 5,
  head: HEAD,
  headRef: "topic",
  base: BASE,
  baseRef: "main",
  fork,
  author: "eve",
});
const STRICT = "policy: { trusted: default-branch-and-merge-queue }\n";
const CASES: [string, Partial<RunRequest>, { policy: string; role: string; adds: boolean }][] = [
  [
    "a fork, approved",
    { reason: pull(true), approved: HEAD },
    { policy: "", role: "none", adds: false },
  ],
  [
    "a fork of a maintainer's, approved",
    { reason: pull(true), approved: HEAD },
    { policy: "", role: "maintain", adds: false },
  ],
  [
    "a stranger, approved",
    { reason: pull(false), approved: HEAD },
    { policy: "", role: "read", adds: false },
  ],
  [
    "a bot, by the strict rule",
    { reason: pull(false), sender: { login: "dep", id: 3, type: "Bot" } },
    { policy: STRICT, role: "none", adds: false },
  ],
  [
    "somebody with write, by the strict rule",
    { reason: pull(false) },
    { policy: STRICT, role: "write", adds: true },
  ],
  [
    "a branch, by the strict rule",
    { reason: { kind: "push", ref: "refs/heads/topic", head: HEAD, before: BASE } },
    { policy: STRICT, role: "write", adds: false },
  ],
];

describe("an untrusted run", () => {
  it.each(CASES)(
    "of %s: its pool, no import from derivation, nothing of its configuration that it may not add",
    (_name, change, { policy, role, adds }) =>
      evaluating(
        change,
        async ({ neighbours }) => {
          expect(neighbours.queued).toMatchObject([{ kind: "evaluate", pool: "untrusted" }]);
          const { work } = neighbours.queued[0]!;
          if (work.kind !== "evaluate") throw new Error(`the first job is ${work.kind}`);
          expect(work.selections.map(({ attributes }) => attributes)).toEqual(
            adds ? [["checks"], ["packages"]] : [["checks"]],
          );
          for (const selection of work.selections) {
            expect(selection).not.toHaveProperty("importFromDerivation");
            expect(selection).not.toHaveProperty("formatterCheck");
          }
          expect(work.limits.buildSeconds).toBe(14_400);
        },
        (neighbours) => {
          neighbours.role = { ok: true, value: role };
          neighbours.policy = `${policy}evaluate: [{ flake: ., attributes: [checks], import_from_derivation: true }]\n`;
          neighbours.proposed =
            "evaluate: [{ flake: ., attributes: [packages], import_from_derivation: true }]\nlimits: { build_seconds: 604800 }\ninputs: { private: [o/secret] }\npolicy: { writers: [none] }\n";
        },
      ),
  );

  it.each([
    ["nobody approved", null],
    ["the approval of the commit before", BASE],
    ["an approval in other letters", HEAD.toUpperCase().replace("1", "I")],
    ["an approval cut short", HEAD.slice(0, 39)],
  ])("of a fork: none by %s", (_name, approved) =>
    evaluating({ reason: pull(true), approved }, async ({ neighbours, run }) => {
      expect(neighbours.queued).toEqual([]);
      expect((await run.view())?.state).toBe("waiting-approval");
      expect(neighbours.calls).not.toContain("file");
      expect(neighbours.checks()["snowcat"]?.summary).toContain(`/ok-to-test ${HEAD}`);
    }),
  );

  it("gets no token for private inputs, and nobody is even asked for one", async () => {
    const asked: string[] = [];
    const space = (name: string, object: object) => ({
      getByName: () => {
        asked.push(name);
        return object;
      },
    });
    // Stand-ins for bindings: only what is called here.
    const neighbours = {
      ...env,
      REPO: space("repo", {
        policy: () =>
          Promise.resolve({
            ok: true,
            value: { text: "inputs: { private: [o/secret] }\n", commit: BASE },
          }),
      }),
      WRITER: space("writer", {
        inputToken: () =>
          Promise.resolve({
            token: { token: "t", expiresAt: 1 },
            opened: ["secret"],
            notInstalled: [],
          }),
      }),
    } as unknown as Environment;
    const { repository, installation, host } = request().identity;
    const ask = (pool: "untrusted" | "trusted") =>
      inputToken(neighbours, { host, account: 1 }, { installation, repository, pool });
    expect(await ask("untrusted")).toEqual({
      ok: true,
      token: { token: null, expiresAt: 0, repositories: [], refused: [] },
    });
    expect(asked).toEqual([]);
    expect(await ask("trusted")).toMatchObject({ ok: true, token: { token: "t" } });
    expect(asked).toEqual(["repo", "writer"]);
  });
});
