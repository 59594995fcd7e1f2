import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { needOf } from "../../../src/core/doctor/index.ts";

const need = (...argv: string[]) => needOf(argv, ["x86_64-linux"]);
const flake = (directory: string, name: string, ...attributes: string[]) => ({
  kind: "flake",
  directory,
  name,
  attributes,
});
const usual = (name: string) =>
  ["apps", "packages", "legacyPackages"].map((output) => `${output}.x86_64-linux.${name}`);

describe("what a command stands on", () => {
  test.each([
    [["nix", "run", ".#tool", "--", "check"], flake(".", "tool", ...usual("tool"))],
    [
      ["nix", "run", "-L", "--option", "cores", "1", "./sub#tool^out"],
      flake("sub", "tool^out", ...usual("tool")),
    ],
    [["nix", "run", ".#a.b"], flake(".", "a.b", ...usual("a.b"), "a.b")],
    [
      ["nix", "run"],
      flake(
        ".",
        "default",
        ...usual("default"),
        "defaultApp.x86_64-linux",
        "defaultPackage.x86_64-linux",
      ),
    ],
    [
      ["nix", "run", "--", ".#not"],
      flake(
        ".",
        "default",
        ...usual("default"),
        "defaultApp.x86_64-linux",
        "defaultPackage.x86_64-linux",
      ),
    ],
    [["nix", "run", "path:./x/../y#t"], flake("y", "t", ...usual("t"))],
    [["nix", "run", "../out#t"], { kind: "problem", why: "../out is outside of the repository" }],
    [["nix", "run", ".#a..b"], { kind: "problem", why: "a..b is not an attribute path" }],
    [["nix", "run", "nixpkgs#hello"], { kind: "elsewhere", reference: "nixpkgs#hello" }],
    [["nix", "run", "github:o/r"], { kind: "elsewhere", reference: "github:o/r" }],
    [
      ["nix", "run", "--file", ".", "a.b", "--argstr", "local", "true", "--", "--yes"],
      { kind: "file", file: ".", attribute: "a.b", args: { local: "true" } },
    ],
    [
      ["nix", "run", "-f", "../x.nix", "a"],
      { kind: "problem", why: "../x.nix is outside of the repository" },
    ],
    [
      ["nix", "run", "-f", "x.nix"],
      { kind: "problem", why: "nix run --file x.nix names no attribute" },
    ],
    [["nix", "build", ".#gone"], { kind: "program", name: "nix" }],
    [["./go", "x"], { kind: "path", path: "go" }],
    [["a/../../go"], { kind: "problem", why: "a/../../go is outside of the repository" }],
    [["/bin/sh"], { kind: "elsewhere", reference: "/bin/sh" }],
    [["jq"], { kind: "program", name: "jq" }],
  ])("%j", (argv, expected) => {
    expect(need(...argv)).toEqual(expected);
  });

  test("nothing that anybody writes throws, and no path leaves the repository", () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "nix",
        "run",
        "--file",
        "-f",
        "--argstr",
        ".",
        "..",
        "/",
        "./..//x",
        "#",
        ".#",
        "--",
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (argv) => {
        const one = need(...argv);
        const path =
          one.kind === "path"
            ? one.path
            : one.kind === "file"
              ? one.file
              : one.kind === "flake"
                ? one.directory
                : ".";
        expect(path.startsWith("/") || path.split("/").includes("..")).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });
});
