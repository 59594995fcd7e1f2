import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIsolated } from "../isolation/support.ts";
import type { NixForTest } from "./support.ts";
import { nixForTest } from "./support.ts";

const FLAKE = `{
  inputs.lib.url = "path:./input";
  outputs = { self, lib }: {
    packages.x86_64-linux = {
      throws = throw "thrown here";
      asserts =
        assert 1 == 2;
        1;
      misses =
        let set = { a = 1; }; in
        set.b;
      typed =
        1 + { };
      recursive =
        let x = x + 1; in x;
      syntax = import ./broken.nix;
      inside =
        lib.boom "x";
      insideType =
        lib.add { };
      helper =
        (import ./helper.nix).fail 1;
      deep = builtins.foldl' (a: b:
        a + b.missing
      ) 0 [ { } ];
      called = (a: a) { } { };
      aborts = abort "stop";
      lazy = {
        type = "derivation";
        name = throw "in the name";
        system = "x86_64-linux";
        outPath = "x"; drvPath = "y";
      };
      builder = derivation {
        name = "b"; system = "x86_64-linux"; builder = "/bin/sh";
        env = "\${{ }}";
      };
    };
  };
}
`;

describeIsolated("places of errors", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(53_200);
  });
  afterAll(async () => {
    await nix?.close();
  });

  /** Later versions read a `path:./…` input where it lies, in the tree itself. */
  const inputsAreApart = (): boolean => nix.facts.version.number.startsWith("2.8.");

  test("each kind of error is at the attribute's own code", async () => {
    const { byName } = await nix.check({
      "flake.nix": FLAKE,
      "broken.nix": "{\n  a = ;\n}\n",
      "helper.nix": "{\n  fail = n:\n    n.nothing;\n}\n",
      "input/flake.nix":
        '{ outputs = { self }: {\n  boom = x:\n    throw "in the input";\n  add = x:\n    x + 1;\n}; }\n',
    });
    const places = Object.fromEntries(
      [...byName].map(([name, { verdict }]) => [
        name.split(".").at(-1),
        verdict.kind === "evaluation-error" &&
          `${verdict.position?.file}:${verdict.position?.line}`,
      ]),
    );
    expect(places).toEqual({
      aborts: "flake.nix:27",
      asserts: "flake.nix:7",
      builder: "flake.nix:36",
      called: "flake.nix:26",
      deep: "flake.nix:24",
      helper: "helper.nix:3",
      // To 2.8 the input is a tree of its own, so what is shown is the call in this one.
      inside: inputsAreApart() ? "flake.nix:18" : "input/flake.nix:3",
      insideType: inputsAreApart() ? "flake.nix:20" : "input/flake.nix:5",
      lazy: "flake.nix:28",
      misses: "flake.nix:11",
      recursive: "flake.nix:15",
      syntax: "broken.nix:2",
      throws: "flake.nix:5",
      typed: "flake.nix:13",
    });
  });

  test("an error inside an input is not shown at a file of the same name here", async () => {
    const { rows } = await nix.check({
      "flake.nix": FLAKE,
      "input/flake.nix": "{\n  outputs = ;\n}\n",
    });
    expect(rows).toEqual([
      expect.objectContaining({
        name: ".",
        verdict: expect.objectContaining({
          kind: "evaluation-error",
          message: expect.stringContaining("syntax error"),
          position: inputsAreApart()
            ? null
            : expect.objectContaining({ file: "input/flake.nix", line: 2 }),
        }),
      }),
    ]);
  });

  test("inputs that no lock file names are resolved for this once, with a warning", async () => {
    const { byName, warnings } = await nix.check({
      "flake.nix": `{ inputs.lib.url = "path:./input"; outputs = { self, lib }: { packages.x86_64-linux.a = lib.a; }; }`,
      "input/flake.nix": `{ outputs = { self }: { a = derivation { name = "a"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }; }; }`,
    });
    expect(byName.get("packages.x86_64-linux.a")?.verdict.kind).toBe("succeeded");
    expect(warnings.join()).toContain("not writing modified lock file");
  });
});
