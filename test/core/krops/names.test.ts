import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type KropsFiles, machinesNamed } from "../../../src/core/krops/names.ts";
import { tokensOf } from "../../../src/core/krops/nix-text.ts";

const example = (path: string): string =>
  readFileSync(new URL(`../../../nix/examples/${path}`, import.meta.url), "utf8");

/** The shape of real ones: krops fetched, sources by name, a script for all. */
const krops = (change: (text: string) => string = (text) => text): string =>
  change(`let
  krops = builtins.fetchGit { url = "https://example.org/krops"; };
  lib = import "\${krops}/lib";
  pkgs = import "\${krops}/pkgs" {};
  # machine9 = pkgs.krops.writeDeploy "deploy-machine9" { };
  source = name: lib.evalSource [{
    config-machine.file = toString (./config/machines + "/\${name}");
    nixos-config.symlink = "config-machine/configuration.nix";
  }];
  machine1 = pkgs.krops.writeDeploy "deploy-machine1" {
    source = source "machine1";
    target = "root@machine1.example.org";
  };
  machine2 = pkgs.krops.writeDeploy "deploy-machine2" {
    source = with lib; source "machine2";
    target = "root@machine2.example.org";
  };
in {
  inherit machine1 machine2;
  all = pkgs.writers.writeDash "deploy-all" ''
    \${machine1} || echo "failed ''\${x}: machine1"
    \${machine2}
  '';
}
`);
const build = (change: (text: string) => string = (text) => text): string =>
  change(`{ pkgs ? import <nixpkgs> {} }:
let
  buildForMachine = name: pkgs.writeShellScriptBin "build-\${name}" ''
    npm run build -- --out "build/\${name}/dist"
  '';
in rec {
  machine1 = buildForMachine "machine1";
  machine2 = buildForMachine "machine2";
  all = pkgs.writeShellScriptBin "build-all" "\${machine1}/bin/build-machine1; \${machine2}/bin/build-machine2";
}
`);
const files = (
  changes: Partial<Record<"krops" | "build", (text: string) => string>> = {},
): KropsFiles => ({
  krops: { path: "krops.nix", text: krops(changes.krops) },
  build: { path: "build-local.nix", text: build(changes.build) },
  folders: ["machine1", "machine2"],
});
const lacks = (all: KropsFiles): Record<string, readonly string[]> =>
  Object.fromEntries(
    machinesNamed(all)
      .filter(({ missing }) => missing.length > 0)
      .map(({ machine, missing }) => [machine, missing]),
  );

describe("names of krops machines (KRO-2)", () => {
  it("are alike in a repository that is kept well", () => {
    const named = machinesNamed(files());
    expect(named.map(({ machine }) => machine)).toEqual(["machine1", "machine2"]);
    expect(named.every(({ missing, others }) => missing.length + others.length === 0)).toBe(true);
    expect(named[0]?.in).toHaveLength(6);
  });

  it.each([
    [
      "inherit",
      { krops: (text: string) => text.replace("inherit machine1 machine2", "inherit machine1") },
      ["krops-inherit"],
    ],
    [
      "all of krops.nix",
      { krops: (text: string) => text.replace("    ${machine2}\n", "") },
      ["krops-all"],
    ],
    [
      "build-local.nix",
      { build: (text: string) => text.replace(/ {2}machine2 = .*\n/u, "") },
      ["build-attribute"],
    ],
    [
      "all of build-local.nix",
      { build: (text: string) => text.replace("; ${machine2}/bin/build-machine2", "") },
      ["build-all"],
    ],
    [
      "an attribute",
      { krops: (text: string) => text.replace("machine2 = pkgs", "machine-two = pkgs") },
      ["krops-attribute"],
    ],
  ])("is missing in %s", (_, changes, missing) => {
    expect(lacks(files(changes))["machine2"]).toEqual(missing);
    expect(lacks(files(changes))["machine1"]).toBeUndefined();
  });

  it("is missing as a folder, and a folder alone is a machine too", () => {
    expect(lacks({ ...files(), folders: ["machine1"] })).toEqual({ machine2: ["folder"] });
    const more = lacks({ ...files(), folders: ["machine1", "machine2", "machine3"] });
    expect(Object.keys(more)).toEqual(["machine3"]);
    expect(more["machine3"]).not.toContain("folder");
  });

  it("is found where it was bound and never exported, by the call that binds it", () => {
    const more = (text: string): string =>
      text.replace("in {", '  machine3 = pkgs.krops.writeDeploy "d" { };\nin {');
    expect(lacks(files({ krops: more }))["machine3"]).toContain("krops-inherit");
  });

  it("is none where it only stands in a comment, or is a function or import", () => {
    const names = machinesNamed(files()).map(({ machine }) => machine);
    for (const none of ["machine9", "krops", "lib", "pkgs", "source", "buildForMachine", "all"])
      expect(names).not.toContain(none);
  });

  it("uses another's folder or build: copied and not changed", () => {
    const swapped = files({
      build: (text) =>
        text.replace(
          'machine2 = buildForMachine "machine2"',
          'machine2 = buildForMachine "machine1"',
        ),
      krops: (text) =>
        text.replace('source "machine2"', "{ config-machine = ./config/machines/machine1; }"),
    });
    const [first, second] = machinesNamed(swapped);
    expect(first?.others).toEqual([]);
    expect(second?.others.map(({ machine }) => machine)).toEqual(["machine1", "machine1"]);
  });

  it("is not asked for in a place that computes its list", () => {
    const computed = files({
      krops: (text) => text.replace(/all = [\s\S]*?'';/u, "all = lib.runAll machines;"),
    });
    expect(lacks(computed)).toEqual({});
  });

  it("of the example's templates and overlay agree", () => {
    const template: KropsFiles = {
      krops: { path: "example-krops.nix", text: example("fleet/example-krops.nix") },
      build: { path: "example-build-local.nix", text: example("fleet/example-build-local.nix") },
      folders: ["example-machine"],
    };
    const overlay: KropsFiles = {
      krops: { path: "krops.nix", text: example("fleet-overlay/krops.nix") },
      build: { path: "build-local.nix", text: example("fleet-overlay/build-local.nix") },
      folders: ["machine1", "machine2"],
    };
    expect(machinesNamed(template).map(({ machine }) => machine)).toEqual(["example-machine"]);
    expect(lacks(template)).toEqual({});
    expect(machinesNamed(overlay).map(({ machine }) => machine)).toEqual(["machine1", "machine2"]);
    expect(lacks(overlay)).toEqual({});
  });
});

const SIGNS = Array.from("ab1 =;{}()[]\"'$\\#*/.<>\n:");

describe("Nix as text", () => {
  it("ends on anything, and keeps words in their order", () => {
    fc.assert(
      fc.property(
        fc.string({
          maxLength: 300,
          unit: fc.constantFrom(...SIGNS),
        }),
        (text) => {
          const tokens = tokensOf(text);
          let at = 0;
          for (const { text: word } of tokens) {
            const found = text.indexOf(word, at);
            expect(found).toBeGreaterThanOrEqual(at);
            at = found + word.length;
          }
          machinesNamed({ krops: { path: "krops.nix", text }, build: null, folders: null });
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ['"a ${b "}" { x = "${y}"; }} c" d', ['a ${b "}" { x = "${y}"; }} c', "d"]],
    ["''a ''${b} '''' ''\\n ${c ''}''} e'' f", ["a ''${b} '''' ''\\n ${c ''}''} e", "f"]],
    ["a # b\n/* c */ d", ["a", "d"]],
    ["./a/b <c> /d/e https://f.g/h", ["./a/b", "<c>", "/d/e", "https://f.g/h"]],
  ])("reads %s", (text, words) => {
    expect(tokensOf(text).map((token) => token.text)).toEqual(words);
  });
});
