import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIsolated } from "../isolation/support.ts";
import type { NixForTest } from "./support.ts";
import { evaluateTree } from "./evaluating.ts";
import { flake, nixForTest } from "./support.ts";

describeIsolated("evaluation by real Nix", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(52_000);
  });
  afterAll(async () => {
    await nix?.close();
  });

  test("one bad attribute of each kind beside some that pass, with file and line", async () => {
    const { byName } = await nix.check({
      "lib.nix": '{\n  boom = x:\n    throw "boom ${x}";\n}\n',
      "flake.nix": flake(`packages.x86_64-linux = {
      a = mk "a" "echo > $out" [];
      b = (import ./lib.nix).boom "b";
      c = throw "c";
      d = let x = x; in x;
      e = { }.nope;
      f = let f = x: f (x + 1) + 1; in f 1;
      g = x: x;
      h = { type = "derivation"; name = "h"; system = "x86_64-linux"; drvPath = "/nix/store/00000000000000000000000000000000-h.drv"; outPath = "/x"; };
      i = { type = "derivation"; };
      j = import (mk "j" "echo > $out" []);
      k = builtins.readFile /etc/passwd;
      l = 1;
      n = { recurseForDerivations = true; bad = throw "nested"; good = mk "n" "echo > $out" []; };
      z = mk "z" "echo > $out" [];
    };`),
    });
    const verdict = (name: string) => byName.get(`packages.x86_64-linux.${name}`)?.verdict;
    const at = (name: string) => {
      const found = verdict(name);
      return found?.kind === "evaluation-error"
        ? [found.position?.file, found.position?.line]
        : found?.kind;
    };
    const says = (name: string) => byName.get(`packages.x86_64-linux.${name}`)?.logTail ?? "";
    for (const name of ["a", "z", "n.good"]) expect(verdict(name)?.kind).toBe("succeeded");
    // Of a bare throw 2.8 knows the function around it only.
    expect(at("b")).toEqual(["lib.nix", nix.facts.version.number.startsWith("2.8.") ? 2 : 3]);
    expect(at("c")).toEqual(["flake.nix", 6]);
    expect(at("d")).toEqual(["flake.nix", 7]);
    expect(at("e")).toEqual(["flake.nix", 8]);
    expect(at("f")).toEqual(["flake.nix", 9]);
    expect(says("d")).toContain("infinite recursion");
    expect(says("f")).toContain("stack overflow");
    expect(says("g")).toContain("a function, not a derivation");
    expect(says("h")).toContain("is none");
    expect(says("i")).toContain("is none");
    expect(says("j")).toContain("allow-import-from-derivation");
    expect(says("k")).toMatch(/forbidden in pure eval(?:uation)? mode/u);
    expect(says("l")).toContain("a number, not a derivation");
    expect(says("n.bad")).toContain("nested");
    expect(byName.size).toBe(15);
  });

  test("a flake that does not parse, and one whose outputs throw", async () => {
    const broken = await nix.check({
      "flake.nix": "{\n  outputs = { self }: {\n    x = ;\n  };\n}\n",
    });
    expect(broken.rows).toEqual([
      expect.objectContaining({
        name: ".",
        drv: null,
        verdict: expect.objectContaining({
          kind: "evaluation-error",
          position: { file: "flake.nix", line: 3, column: 9 },
        }),
      }),
    ]);
    const thrown = await nix.check({
      "flake.nix": `{ outputs = { self }: throw "no outputs today"; }`,
    });
    expect(thrown.rows).toEqual([
      expect.objectContaining({ name: ".", logTail: expect.stringContaining("no outputs today") }),
    ]);
    const none = await nix.check({ README: "no flake here" });
    expect(none.rows).toEqual([
      expect.objectContaining({
        name: ".",
        verdict: expect.objectContaining({ kind: "evaluation-error" }),
      }),
    ]);
  });

  test("an input that is not to be had", async () => {
    const { rows } = await nix.check({
      "flake.nix": `{ inputs.x.url = "https://203.0.113.1/x.tar.gz"; outputs = { self, x }: { }; }`,
    });
    expect(rows).toEqual([
      expect.objectContaining({
        name: ".",
        verdict: expect.objectContaining({ kind: "evaluation-error" }),
        logTail: expect.stringContaining("203.0.113.1"),
      }),
    ]);
  });

  test("100 MB of traces change nothing", async () => {
    const { rows } = await nix.check({
      "flake.nix":
        flake(`packages.x86_64-linux.loud = let s = builtins.concatStringsSep "" (builtins.genList (i: "0123456789") 1000000);
        in builtins.foldl' (a: i: builtins.trace s a) (mk "loud" "echo > $out" []) (builtins.genList (i: i) 10);`),
    });
    expect(rows).toEqual([
      expect.objectContaining({
        name: "packages.x86_64-linux.loud",
        verdict: { kind: "succeeded", reused: false },
      }),
    ]);
  });

  test("a file: declared attributes, arguments it declares, nothing else of it touched", async () => {
    const { byName } = await nix.check({
      ".github/snowcat.yml": `evaluate:\n  - file: .\n    attributes: [a.b, "gone.x", needs]\n    args: { local: "it's \${here} \\"quoted\\"", unused: "1" }\n`,
      "default.nix": `{ local, optional ? "no" }: {
        a.b = derivation { name = "ab"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "printf %s \\"$local\\" > $out; test \\"$local\\" = \\"$want\\"" ]; inherit local; want = "it's \\\${here} \\"quoted\\""; };
        needs = { more }: more;
        trap = throw "touched";
      }`,
    });
    expect(byName.get("a.b")?.verdict.kind).toBe("succeeded");
    expect(byName.get("gone.x")?.verdict.kind).toBe("not-covered");
    expect(byName.get("needs")?.verdict.kind).toBe("evaluation-error");
    expect(byName.size).toBe(3);
  });

  test("evaluation builds only where both the specification and the pool let it", async () => {
    const files = {
      "flake.nix": flake(
        `packages.x86_64-linux.ifd = mk (import (mk "name" "echo '\\"made\\"' > $out" [])) "" [];`,
      ),
    };
    const limits = { buildSeconds: 60, silentSeconds: 60 };
    const kinds: (string | undefined)[] = [];
    for (const [imports, importFromDerivation] of [
      [null, true],
      [limits, undefined],
      [limits, true],
    ] as const) {
      const { byName } = await evaluateTree(nix, files, {
        imports,
        selection: { importFromDerivation },
      });
      const result = byName.get("packages.x86_64-linux.ifd")?.result;
      kinds.push(
        result?.kind === "error"
          ? /import_from_derivation: true/u.exec(result.message)?.[0]
          : result?.kind,
      );
    }
    expect(kinds).toEqual([
      "import_from_derivation: true",
      "import_from_derivation: true",
      "derivation",
    ]);
  });

  test("CLAN-2: what clan's inventory does not say of a machine, its own configuration does", async () => {
    const files = {
      "flake.nix": flake(`
        nixosConfigurations = builtins.mapAttrs (name: core: {
          config = { system.build.toplevel = mk name "echo > $out" []; } // (if core == null then { } else { clan = { inherit core; }; });
        }) {
          host = { networking.targetHost = "root@host.example.org"; deployment.requireExplicitUpdate = true; };
          listed = { networking.targetHost = "root@other.example.org"; };
          odd = { networking = throw "odd"; deployment.requireExplicitUpdate = 7; };
          worse = { networking = { targetHost = [ ] + 1; }; };
          plain = null;
        };
        # CLAN-1: what clan keeps for itself is not asked.
        clanInternals = throw "not for others";
        clan.inventory.machines = { host = { }; listed.deploy.targetHost = "root@listed.example.org"; odd = { }; worse = { }; plain = { }; };`),
    };
    const { end, byName } = await evaluateTree(nix, files, {
      selection: { attributes: ["nixosConfigurations"] },
    });
    // A machine is not lost to what it says of its deploys.
    expect([...byName.values()].map(({ result }) => result.kind)).toEqual(
      Array.from({ length: 5 }, () => "derivation"),
    );
    if (end.kind !== "evaluated") throw new Error(`the evaluation ended as ${end.kind}`);
    expect(end.inventory.map((one) => [one.machine, one.targetHost, one.explicit])).toEqual([
      ["host", "root@host.example.org", true],
      ["listed", "root@listed.example.org", false],
      ["odd", null, false],
      ["plain", null, false],
      ["worse", null, false],
    ]);
  });

  test("CLAN-7: an inventory that has nixpkgs of its own gets the hint where it belongs", async () => {
    const said =
      "The option `inventory.machines.web.nixpkgs' does not exist. Definition values: (lines follow)";
    const { byName } = await evaluateTree(
      nix,
      { "flake.nix": flake(`nixosConfigurations = throw "${said}";`) },
      { selection: { attributes: ["nixosConfigurations"] } },
    );
    const [attribute] = byName.values();
    expect(attribute?.result).toMatchObject({
      kind: "error",
      message: expect.stringMatching(/does not exist[^]*clan\.machines\.<name>\.nixpkgs\.config/u),
    });
  });

  test("warnings are told", async () => {
    const { warnings } = await nix.check({
      "flake.nix": flake(
        `packages.x86_64-linux.w = builtins.trace "warning: old option" (mk "w" "echo > $out" []);`,
      ),
    });
    expect(warnings).toEqual(["warning: old option"]);
  });
});
