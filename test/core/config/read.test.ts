import { describe, expect, test } from "vitest";
import { ADMINS_ONLY } from "../../../src/core/config/commands.ts";
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
    // The text has no third line, and GitHub nowhere to show a message on it.
    expect(errors("evaluate:\n  - flake: [\n\n\n")[0]).toMatchObject({ line: 2 });
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

  test("aliases that multiply are refused, not expanded, where they become too many", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefgh".split("").map((c, i) => `${c}: &${c} [${`*${"abcdefgh"[i]},`.repeat(9)}]`),
    ].join("\n");
    expect(errors(bomb)[0]).toMatchObject({
      line: 3,
      message: expect.stringContaining("too many aliases"),
    });
    expect(errors(`a: &a x\nb:\n${"  - *a\n".repeat(60)}`)).toMatchObject([
      { line: 53, message: expect.stringContaining("too many aliases") },
    ]);
  });

  test("sharing by hand is fine", () => {
    expect(
      readConfiguration(
        "tests:\n  a: &a\n    run: [x]\n  b: *a\nsets:\n  push: &all ['*']\n  merge_queue: *all\n",
      ),
    ).toEqual({
      ok: true,
      configuration: {
        tests: { a: { run: ["x"] }, b: { run: ["x"] } },
        sets: { push: ["*"], merge_queue: ["*"] },
      },
    });
  });

  test.each([
    ["a circle", "version: 1\nbumps: { x: &a { recipe: p, extra: *a } }", 2, "its own anchor"],
    ["no such anchor", "version: 1\nevaluate:\n  - *nowhere", 3, "no anchor"],
    ["a key that is there twice", "limits:\n  build_seconds: 1\n  build_seconds: 2", 3, "twice"],
    ["twice, spelt otherwise", "tests:\n  1: { vm: a }\n  '1': { vm: b }", 3, "twice"],
    ["a key that is a list", "version: 1\n? [a, b]\n: c", 2, "plain text"],
    ["a key for JavaScript", "version: 1\nbumps: { x: { __proto__: 1 } }", 2, "plain text"],
    ["a type of its own", "version: 1\npush: !!binary aGk=", 2, "binary"],
    ["a type nobody knows", "version: 1\npush: !!js/function x", 2, "js/function"],
    ["another YAML", "%YAML 1.1\n---\nversion: 1", 1, "YAML 1.2"],
    ["two documents", "version: 1\n---\nversion: 1", 2, "documents"],
    ["nested by brackets", `version: 1\nevaluate: ${"[".repeat(40)}${"]".repeat(40)}`, 2, "deep"],
    ["nested without end", `version: 1\nevaluate: ${"[".repeat(50_000)}`, 2, "deep"],
    ["nested by dashes", `version: 1\nevaluate:\n  ${"- ".repeat(30_000)}`, 3, "deep"],
    ["a tab", "version: 1\nevaluate:\n\t- flake: .", 3, "Tabs"],
    [
      "deep inside",
      "tests:\n  a:\n    kind:\n      images:\n        - a\n        - 7\n    steps: [[x]]",
      6,
      "string",
    ],
    ["a machine's name", "machines:\n  good: {}\n  -bad: {}", 3, "a name is"],
    ["a rollout's schedule", "rollouts:\n  web:\n    schedule: sometimes", 3, "must be hourly"],
    ["a rollout without its times", "rollouts:\n  web:\n    on: schedule", 3, "needs `schedule`"],
    [
      "a health check's address",
      'machines:\n  a:\n    health:\n      - http: "ftp://x"',
      4,
      "must begin with http",
    ],
    [
      "a window's zone",
      "policy:\n  deploy:\n    windows: [{ zone: Mars/Base }]",
      3,
      "must be a time zone",
    ],
    ["a test's name", "tests:\n  a b: { vm: x }", 2, "a name is"],
    ["after a CRLF", "version: 1\r\nevalute: x\r\n", 2, "unknown key"],
  ])("%s is refused on its line", (_name, text, line, message) => {
    expect(errors(text)[0]).toMatchObject({ line, message: expect.stringContaining(message) });
  });

  test("a file that nobody wrote by hand is refused unread", () => {
    expect(errors(`# ${"x".repeat(70_000)}\n`)).toMatchObject([
      { message: expect.stringContaining("longer") },
    ]);
  });

  test("of many errors the first fifty are told, each short", () => {
    const many = Array.from({ length: 200 }, (_, n) => `k${n}${"x".repeat(200)}: 1`).join("\n");
    const found = errors(many);
    expect(found).toHaveLength(50);
    expect(Math.max(...found.map(({ message }) => message.length))).toBeLessThanOrEqual(500);
    expect(errors(`${"k".repeat(900)}: 1`)[0]?.message).toHaveLength(500);
  });

  test("of a faulty one the keys that are right are known, and nobody is trusted by a faulty policy", () => {
    const rest = (text: string) => {
      const read = readConfiguration(text);
      return read.ok ? null : read.rest;
    };
    const strict = {
      policy: { trusted: "default-branch-and-merge-queue", commands: ADMINS_ONLY },
    };
    expect(rest("limits: { build_seconds: x }\nsets: { push: [a] }\nodd: 1\n")).toEqual({
      sets: { push: ["a"] },
    });
    expect(rest("policy: { trusted: x, writers: [w] }\nsets: { push: [a] }\n")).toEqual({
      sets: { push: ["a"] },
      ...strict,
    });
    for (const text of ["a: [", "7", "[]", "x".repeat(70_000)]) expect(rest(text)).toEqual(strict);
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
