import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIsolated, until } from "../isolation/support.ts";
import { evaluateTree } from "./evaluating.ts";
import type { NixForTest } from "./support.ts";
import { flake, nixForTest } from "./support.ts";

describeIsolated("what the store has already is only looked at", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(57_500);
  });
  afterAll(async () => {
    await nix?.close();
  });

  /** The walks of one check: which of them wrote derivations, and what they were asked for. */
  const check = async (
    outputs: string,
  ): Promise<{ verdicts: Record<string, string>; looks: number; writes: string[][] }> => {
    nix.started.length = 0;
    const { rows } = await nix.check({ "flake.nix": flake(outputs) });
    const walks = nix.started.filter((argv) => argv.at(-1)?.includes('\\"mode\\":\\"walk\\"'));
    const isLook = (argv: string[]) => argv.includes("--read-only");
    return {
      verdicts: Object.fromEntries(
        rows.map((row) => [row.name.replace("packages.x86_64-linux.", ""), row.verdict.kind]),
      ),
      looks: walks.filter(isLook).length,
      writes: walks
        .filter((argv) => !isLook(argv))
        .map((argv) => /\\"only\\":(\[[^\]]*\])/u.exec(argv.at(-1) ?? "")?.[1] ?? "all")
        .map((names) => (names === "all" ? ["all"] : (JSON.parse(unescaped(names)) as string[]))),
    };
  };

  test("unchanged: nothing is written; changed: only what has changed", async () => {
    const many = (seed: string) =>
      `packages.x86_64-linux = builtins.listToAttrs (builtins.genList (i: let name = "a" + toString i; in { inherit name; value = mk name (if i == 7 then "echo ${seed} > $out" else "echo > $out") []; }) 20);
       apps.x86_64-linux.app = { type = "app"; program = "\${mk "app" "echo > $out" []}/bin/x"; };`;
    const first = await check(many("one"));
    expect(Object.values(first.verdicts)).toEqual(Array.from({ length: 21 }, () => "succeeded"));
    expect(first.writes.length).toBeGreaterThan(0);
    const again = await check(many("one"));
    expect(again).toEqual({ verdicts: first.verdicts, looks: 1, writes: [] });
    expect(await check(many("two"))).toEqual({
      verdicts: first.verdicts,
      looks: 1,
      writes: [["a7"]],
    });
  });

  test("more than a sample, all new: the look is given up for the real thing", async () => {
    const { verdicts, writes } = await check(
      `packages.x86_64-linux = builtins.listToAttrs (builtins.genList (i: let name = "b" + toString i; in { inherit name; value = derivation { inherit name; system = "riscv64-linux"; builder = "/bin/sh"; }; }) 150);`,
    );
    expect(Object.keys(verdicts)).toHaveLength(150);
    // Given up in time, or just finished: either way every one is in the store then.
    expect(writes.flat().length === 150 || writes[0]?.[0] === "all").toBe(true);
  });

  test("what is there is told while the look goes on", async () => {
    const files = {
      "flake.nix": flake(
        `packages.x86_64-linux = builtins.listToAttrs (builtins.genList (i: let name = "c" + toString i; in { inherit name; value = mk name "" []; }) 120);`,
      ),
    };
    await evaluateTree(nix, files);
    let told = 0;
    let early = 0;
    const { byName } = await evaluateTree(nix, files, {
      onAttribute: () => (told += 1),
      workspace: {
        ...nix.workspace,
        async launch(request) {
          const result = await nix.workspace.launch(request);
          if (!request.argv.includes("--read-only")) return result;
          // For everybody else it has not ended before.
          await until("something is told", async () => told > 0);
          early = told;
          return result;
        },
      },
    });
    expect(byName.size).toBe(120);
    expect(early).toBeGreaterThanOrEqual(100);
    expect(early).toBeLessThan(120);
  });

  test("what only a store that is written to can evaluate is no error, and an error is looked at twice", async () => {
    const { verdicts, writes } = await check(
      `packages.x86_64-linux = {
         a = mk "a" "echo > $out" []; bad = throw "bad";
         file = mk (builtins.head (builtins.match ".*(description).*" (builtins.readFile (builtins.path { path = ./flake.nix; name = "copy"; })))) "echo > $out" []; # description
         z = mk "z" "echo > $out" [];
       };`,
    );
    expect(verdicts).toEqual({
      a: "succeeded",
      bad: "evaluation-error",
      file: "succeeded",
      z: "succeeded",
    });
    expect(new Set(writes.flat())).toContain("bad");
  });
});

/** Of a Nix string. */
function unescaped(text: string): string {
  return text.replace(/\\(["\\$])/gu, "$1");
}
