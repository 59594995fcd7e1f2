import { afterAll, beforeAll, expect, test } from "vitest";
import { runMemory } from "../../../src/runner/nix/build/failure.ts";
import { describeIsolated } from "../isolation/support.ts";
import { buildAllIn, counting, instantiateIn } from "./building.ts";
import type { NixForTest } from "./support.ts";
import { nixForTest } from "./support.ts";

describeIsolated("what has failed is not built again", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(54_400);
  });
  afterAll(async () => {
    await nix?.close();
  });

  const instantiate = (set: string) => instantiateIn(nix, set);
  const buildAll = (drvs: ReadonlyMap<string, string>, more?: Parameters<typeof buildAllIn>[2]) =>
    buildAllIn(nix, drvs, more);

  const OWN_CLOCK = {
    clock: { marginMs: 0, tickMs: 50 },
    slots: 1,
  };
  const NIX_LIMITS = ["--timeout", "--max-silent-time"];

  test.each([
    ["timed-out", "while :; do echo on; done", { buildSeconds: 2, silentSeconds: 60 }],
    ["silent", "while :; do :; done", { buildSeconds: 60, silentSeconds: 2 }],
  ] as const)(
    "our own clock: %s where Nix ends nothing, and what failed before is not built again",
    async (kind, script, limits) => {
      const drvs = await instantiate(
        `{ endless = mk "z-endless-${kind}" "${script}" []; }
        // builtins.listToAttrs (builtins.genList (i: { name = "bad" + toString i; value = mk "bad-${kind}-\${toString i}" "echo no; exit 3" []; }) 3)
        // builtins.listToAttrs (builtins.genList (i: { name = "good" + toString i; value = mk "good-${kind}-\${toString i}" "echo > $out" []; }) 3)`,
      );
      const counts = new Map<string, number>();
      const { verdicts } = await buildAll(drvs, {
        limits,
        ...OWN_CLOCK,
        through: counting(counts, { without: NIX_LIMITS }),
      });
      const kinds = Object.fromEntries(
        [...verdicts].map(([name, { verdict }]) => [name, verdict.kind]),
      );
      expect(kinds).toEqual({
        endless: kind,
        bad0: "failed",
        bad1: "failed",
        bad2: "failed",
        good0: "succeeded",
        good1: "succeeded",
        good2: "succeeded",
      });
      for (const [name, count] of counts) expect([name, count]).toEqual([name, 1]);
      for (const name of ["bad0", "bad1", "bad2"])
        expect(verdicts.get(name)?.verdict).toMatchObject({
          logTail: expect.stringMatching(/^no/u),
        });
    },
  );

  test("what nothing explains is tried once more, alone, and then is infrastructure; what stands on it waits", async () => {
    const drvs = await instantiate(
      `let shared = mk "lost" "echo lost; while :; do :; done" []; in { inherit shared; } // builtins.listToAttrs (builtins.genList (i: { name = "u" + toString i; value = mk "upon\${toString i}" "echo > $out" [ shared ]; }) 60)`,
    );
    const counts = new Map<string, number>();
    const { verdicts } = await buildAll(drvs, {
      through: counting(counts, { upon: (name, stop) => name === "lost" && stop() }),
    });
    expect(verdicts.get("shared")?.verdict).toMatchObject({
      kind: "infrastructure",
      message: expect.stringContaining("tried twice"),
    });
    for (let i = 0; i < 60; i += 1)
      expect(verdicts.get(`u${i}`)?.verdict).toMatchObject({
        kind: "infrastructure",
        message: expect.stringContaining(`not tried, because ${drvs.get("shared")} could not be`),
      });
    expect([...counts]).toEqual([["lost", 2]]);
  });

  test("a process that dies once costs nobody a verdict", async () => {
    const drvs = await instantiate(
      `let shared = mk "once" "echo > $out" []; in builtins.listToAttrs (builtins.genList (i: { name = "o" + toString i; value = mk "onceupon\${toString i}" "echo > $out" [ shared ]; }) 5)`,
    );
    const counts = new Map<string, number>();
    let died = false;
    const { verdicts } = await buildAll(drvs, {
      through: counting(counts, {
        upon: (name, stop) => {
          if (name === "once" && !died) stop();
          died = true;
        },
      }),
    });
    expect(new Set([...verdicts.values()].map(({ verdict }) => verdict.kind))).toEqual(
      new Set(["succeeded"]),
    );
  });

  test("two jobs of a run at once build a failing dependency once", async () => {
    const drvs = await instantiate(
      `let bad = mk "both-bad" "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 9" []; in { a = mk "both-a" "echo > $out" [ bad ]; b = mk "both-b" "echo > $out" [ bad ]; }`,
    );
    const counts = new Map<string, number>();
    const memory = runMemory();
    const outcomes = await Promise.all(
      ["a", "b"].map((name) =>
        buildAll(new Map([[name, drvs.get(name)!]]), { memory, through: counting(counts) }),
      ),
    );
    for (const { verdicts } of outcomes)
      for (const { verdict } of verdicts.values())
        expect(verdict).toMatchObject({ kind: "dependency-failed", verdict: "failed" });
    expect([...counts]).toEqual([["both-bad", 1]]);
  });

  test("what failed in an earlier slice of the run is not tried again", async () => {
    const drvs = await instantiate(
      `rec { bad = mk "memory-bad" "exit 4" []; above = mk "memory-above" "echo > $out" [ bad ]; }`,
    );
    const memory = runMemory();
    await buildAll(new Map([["bad", drvs.get("bad")!]]), { memory });
    nix.started.length = 0;
    const { verdicts } = await buildAll(drvs, { memory });
    expect(verdicts.get("bad")?.verdict).toMatchObject({ kind: "failed", exitCode: 4 });
    expect(verdicts.get("above")?.verdict).toMatchObject({
      kind: "dependency-failed",
      cause: drvs.get("bad"),
    });
    expect(nix.started.some(([, what]) => what === "--realise")).toBe(false);
  });

  test("what another run has built between two looks is a success, not a job without an end", async () => {
    const drvs = await instantiate(
      `{ there = mk "meanwhile" "echo > $out" [ (mk "meanwhile-below" "echo > $out" []) ]; more = mk "meanwhile-more" "echo > $out" []; }`,
    );
    await buildAll(new Map([["there", drvs.get("there")!]]));
    let looks = 0;
    const { verdicts } = await buildAll(drvs, {
      through: (workspace) => ({
        ...workspace,
        store: {
          ask: async (question, signal) => {
            looks += 1;
            const answer = await workspace.store.ask(question, signal);
            // The first look was just before it was built.
            if (looks === 1 && answer instanceof Set) answer.clear();
            return answer;
          },
        },
      }),
    });
    expect(looks).toBeGreaterThan(1);
    expect(verdicts.get("there")?.verdict).toEqual({ kind: "succeeded", reused: true });
    expect(verdicts.get("more")?.verdict).toEqual({ kind: "succeeded", reused: false });
  });
});
