import { afterAll, beforeAll, expect, test } from "vitest";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import { describeIsolated } from "../../runner/isolation/support.ts";
import { evaluateTree } from "../../runner/nix/evaluating.ts";
import type { NixForTest } from "../../runner/nix/support.ts";
import { flake, nixForTest } from "../../runner/nix/support.ts";

describeIsolated("large and greedy evaluations", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(58_500);
  });
  afterAll(async () => {
    await nix?.close();
  });

  const set = (n: number, value: string): string =>
    `builtins.listToAttrs (builtins.genList (i: { name = "a" + toString i; value = ${value}; }) ${n})`;

  test("100,000 attributes: a verdict each, and the bad ones among them are named", async () => {
    const { end, byName } = await evaluateTree(nix, {
      "flake.nix": flake(`packages.x86_64-linux = let one = mk "one" "" []; in
        ${set(100_000, `if i == 50000 then throw "in the middle" else if i == 99999 then null else one`)};
        packages.aarch64-linux.neighbour = mk "neighbour" "" [];`),
    });
    expect(end).toMatchObject({ kind: "evaluated" });
    expect(byName.size).toBe(100_001);
    const errors = [...byName].filter(([, { result }]) => result.kind === "error");
    expect(errors.map(([name]) => name).toSorted()).toEqual([
      "packages.x86_64-linux.a50000",
      "packages.x86_64-linux.a99999",
    ]);
    expect(byName.get("packages.aarch64-linux.neighbour")?.result.kind).toBe("derivation");
  });

  test("a set without end is ended, and said to be one", async () => {
    const { end, byName } = await evaluateTree(nix, {
      "flake.nix": flake(`packages.x86_64-linux = let
        one = mk "one" "" [];
        wide = depth: { recurseForDerivations = true; } // ${set(60, "if depth == 0 then one else wide (depth - 1)")};
      in { a = wide 5; };`),
    });
    expect(end).toMatchObject({
      kind: "error",
      message: expect.stringContaining("more than 200000 attributes"),
    });
    expect(byName.size).toBe(200_000);
  });

  test("an attribute that takes 4 GB is named, its neighbours are evaluated, the limit is held", async () => {
    const memoryBytes = 768 * 2 ** 20;
    const { end, byName } = await evaluateTree(
      nix,
      {
        "flake.nix": flake(`packages.x86_64-linux = {
          a = mk "a" "" []; z = mk "z" "" [];
          greedy = mk "greedy-\${toString (builtins.stringLength (builtins.foldl' (all: i: all + all) "x" (builtins.genList (i: i) 32)))}" "" [];
        };`),
      },
      { memoryBytes },
    );
    expect([...byName].map(([name, { result }]) => [name.split(".").at(-1), result.kind])).toEqual([
      ["a", "derivation"],
      ["greedy", "error"],
      ["z", "derivation"],
    ]);
    const { result } = byName.get("packages.x86_64-linux.greedy")!;
    expect(result).toMatchObject({ message: expect.stringContaining("limit of 768 MiB") });
    if (end.kind !== "evaluated") throw new Error(end.kind);
    // Only a cgroup can tell.
    if (end.peakBytes === null) return;
    expect(end.peakBytes).toBeGreaterThan(memoryBytes / 2);
    expect(end.peakBytes).toBeLessThanOrEqual(memoryBytes);
  });

  test("one bad attribute costs at most a second evaluation of the whole set", async () => {
    const n = 1_000;
    const marker = "this-attribute-is-evaluated";
    let evaluated = 0;
    let walks = 0;
    const counting: Workspace = {
      ...nix.workspace,
      launch(request) {
        if (request.argv.at(-1)?.includes('\\"mode\\":\\"walk\\"')) walks += 1;
        let tail = "";
        return nix.workspace.launch({
          ...request,
          onStderr(chunk) {
            const text = tail + new TextDecoder().decode(chunk);
            const parts = text.split(marker);
            evaluated += parts.length - 1;
            tail = parts.at(-1)!.slice(-marker.length + 1);
            request.onStderr?.(chunk);
          },
        });
      },
    };
    const tree = (bad: number) => ({
      "flake.nix": flake(
        `packages.x86_64-linux = ${set(n, `builtins.trace "${marker}" (if i == ${bad} then throw "bad" else mk "a\${toString i}" "" [])`)};`,
      ),
    });
    const counted = async (bad: number): Promise<[number, number]> => {
      evaluated = walks = 0;
      const { byName } = await evaluateTree(nix, tree(bad), { workspace: counting });
      expect(byName.size).toBe(n);
      expect([...byName.values()].filter(({ result }) => result.kind === "error")).toHaveLength(
        bad < 0 ? 0 : 1,
      );
      return [evaluated, walks];
    };
    // New to the store, with one bad attribute in the middle.
    const [cold, coldWalks] = await counted(n / 2);
    expect(cold).toBeLessThanOrEqual(2 * n);
    expect(coldWalks).toBeLessThanOrEqual(4);
    // All but the bad one are there already: only that one is evaluated again.
    const [warm] = await counted(n / 2);
    expect(warm).toBeLessThanOrEqual(n + 5);
    const [good, goodWalks] = await counted(-1);
    expect(good).toBeLessThanOrEqual(n + 5);
    expect(goodWalks).toBeLessThanOrEqual(2);
    process.stdout.write(`${JSON.stringify({ attributes: n, evaluated: { cold, warm, good } })}\n`);
  });
});
