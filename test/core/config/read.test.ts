import { describe, expect, test } from "vitest";
import { readConfiguration } from "../../../src/core/config/read.ts";
import { jsonSchema } from "../../../src/core/config/schema.ts";

const EXAMPLE = `version: 1
evaluate:
  - flake: .
    attributes: [packages, checks, devShells, apps, nixosConfigurations]
    systems: [x86_64-linux]
  - file: default.nix
    attributes: [kubenixApply.manifestJSONFile, push]
    args: { local: "true" }
sets: { push: ["*"], pull_request: ["checks.*", "packages.*"], merge_queue: ["*"] }
tests:
  boot: { vm: checks.x86_64-linux.boot, keep: [serial, screenshots] }
  csi:
    kind: { images: ["kindest/node:v1.32.2", "kindest/node:v1.31.6"], nodes: 2 }
    steps: [[nix, run, --file, ., kubenixApply.deploymentScript, --, --yes], [nix, run, --file, ., integrationTest]]
  smoke: { run: [nix, run, ".#bitpoll-manage", --, check], after: [nixpkgs] }
push: { image: { run: [nix, run, --file, ., pushImage] }, environments: { needs: [image], run: [nix, run, --file, ., push] } }
machines:
  discover: [nixosConfigurations, clan]
  machine1: { method: krops, tags: [web, canary], health: [{ http: "https://app.example.org/" }, { unit: nginx.service }] }
rollouts: { web: { on: manual, stages: ["tag:canary", "tag:web"], max_failures: 0 } }
bumps:
  inventree: { recipe: package, source: { github: inventree/InvenTree, release: stable } }
  inputs: { recipe: flake-inputs, schedule: "weekly", group: all }
policy: { deploy: { permission: maintain, approvals: 1, checks: required } }
`;

const errors = (text: string) => {
  const read = readConfiguration(text);
  return read.ok ? [] : read.errors;
};

describe("reading .github/snowcat.yml", () => {
  test("the documented example is read whole", () => {
    expect(errors(EXAMPLE)).toEqual([]);
  });

  test("no file, an empty one and one of comments are the configuration without keys", () => {
    for (const text of [null, "", "# nothing\n"])
      expect(readConfiguration(text)).toEqual({ ok: true, configuration: {} });
  });

  test("an unknown key is an error at the key", () => {
    expect(errors("version: 1\nevalute:\n  - flake: .\n")).toEqual([
      { file: ".github/snowcat.yml", line: 2, column: 1, message: "evalute: unknown key" },
    ]);
    expect(errors("evaluate:\n  - flake: .\n    sytems: [x86_64-linux]\n")).toMatchObject([
      { line: 3, column: 5, message: "evaluate.0.sytems: unknown key" },
    ]);
  });

  test("a wrong value is an error at its line and column", () => {
    expect(errors("evaluate:\n  - flake: .\n    systems: [x86_64-linux, 7]\n")).toMatchObject([
      { line: 3, column: 29 },
    ]);
    expect(errors("version: 2\n")).toMatchObject([{ line: 1 }]);
    expect(errors("policy:\n  trusted: everybody\n")).toMatchObject([{ line: 2 }]);
  });

  test("text that is not YAML is an error where it stops being YAML", () => {
    expect(errors("evaluate:\n  - flake: [\n")[0]).toMatchObject({ line: 3 });
    expect(errors("a: 1\na: 2\n")[0]).toMatchObject({ line: 2 });
  });

  test.each([
    ["an absolute directory", "evaluate: [{ flake: /etc }]"],
    ["a directory that looks like a flag", "evaluate: [{ flake: --impure }]"],
    ["a file that looks like a flag", "evaluate: [{ file: -f, attributes: [a] }]"],
    ["a way out of the repository", "evaluate: [{ flake: a/../../b }]"],
    ["a file outside", "evaluate: [{ file: ../x.nix, attributes: [a] }]"],
    ["a flag as an attribute", "evaluate: [{ file: x.nix, attributes: [--impure] }]"],
    [
      "an argument name that is a flag",
      'evaluate: [{ file: x.nix, attributes: [a], args: { "--x": "1" } }]',
    ],
    ["a list instead of a map", "[]"],
    ["a scalar", "7"],
  ])("%s is refused", (_name, text) => {
    expect(errors(text).length).toBeGreaterThan(0);
  });

  test("aliases that multiply are refused, not expanded", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefgh".split("").map((c, i) => `${c}: &${c} [${`*${"abcdefgh"[i]},`.repeat(9)}]`),
    ].join("\n");
    expect(errors(bomb)).toMatchObject([{ message: expect.stringContaining("alias") }]);
  });

  test("a file that nobody wrote by hand is refused unread", () => {
    expect(errors(`# ${"x".repeat(300_000)}\n`)).toMatchObject([
      { message: expect.stringContaining("longer") },
    ]);
  });

  test("the JSON Schema names every key", () => {
    expect(Object.keys((jsonSchema() as { properties: object }).properties)).toEqual([
      "version",
      "evaluate",
      "sets",
      "limits",
      "inputs",
      "tests",
      "push",
      "machines",
      "rollouts",
      "bumps",
      "policy",
    ]);
  });
});
