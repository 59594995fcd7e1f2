import { describe, expect, it } from "vitest";
import { machinesOf } from "../../../src/core/deploy/index.ts";
import { readConfiguration } from "../../../src/core/config/read.ts";

const configured = (machines: object) => {
  const read = readConfiguration(JSON.stringify({ version: 1, machines }));
  if (!read.ok) throw new Error(read.errors[0]?.message);
  return read.configuration;
};
const found = {
  selections: [{ kind: "file" as const }, { kind: "flake" as const, directory: "nix" }],
  attributes: [
    {
      selection: 1,
      path: ["nixosConfigurations", "web"],
      system: "x86_64-linux",
      drv: `/nix/store/${"0".repeat(32)}-web.drv`,
    },
  ],
  inventory: [],
};
const machine = (own: object, defaults: object = {}) => {
  const [only] = machinesOf(configured({ defaults, web: own }), found);
  return { tool: only?.tool, problems: only?.problems };
};
const tool = (own: object, defaults?: object) => {
  const { tool: one, problems } = machine(own, defaults);
  expect(problems).toEqual([]);
  return one;
};

describe("how a machine's tool is called", () => {
  it("goes by the machine's name and the flake that has it, where nothing else is said", () => {
    expect(tool({})).toBeNull();
    expect(tool({ method: "nixos-rebuild" })).toEqual({
      kind: "nixos-rebuild",
      directory: "nix",
      configuration: "web",
    });
    expect(tool({ method: "deploy-rs" })).toEqual({
      kind: "deploy-rs",
      directory: "nix",
      node: "web",
      profile: "system",
    });
    expect(tool({ method: "colmena" })).toEqual({ kind: "colmena", directory: "nix", node: "web" });
    expect(tool({ method: "clan" })).toEqual({ kind: "clan", directory: "nix", machine: "web" });
    expect(tool({ method: "darwin" })).toEqual({
      kind: "darwin",
      directory: "nix",
      configuration: "web",
    });
    expect(tool({ method: "krops" })).toEqual({
      kind: "krops",
      attribute: "web",
      build: { local: null, krops: "krops.nix" },
      dist: [],
      sources: [],
      sentinel: "/var/src/.populate",
    });
  });

  it("is what the configuration says, a key of the machine before the same one of all", () => {
    const defaults = {
      method: "krops",
      krops: {
        local: "build-local.nix",
        sentinel: "/etc/.populate",
        sources: [{ from: "lnbits", to: "/var/src/lnbits-src", files: ["uv.lock"] }],
      },
    };
    expect(tool({ krops: { attribute: "web-eu" } }, defaults)).toEqual({
      kind: "krops",
      attribute: "web-eu",
      build: { local: "build-local.nix", krops: "krops.nix" },
      dist: ["build/web/dist"],
      sources: [{ from: "lnbits", to: "/var/src/lnbits-src", files: ["uv.lock"] }],
      sentinel: "/etc/.populate",
    });
    expect(tool({ colmena: { node: "eu", directory: "." } }, { method: "colmena" })).toEqual({
      kind: "colmena",
      directory: ".",
      node: "eu",
    });
  });

  it("has the machine's variables put in", () => {
    const script = { run: ["./deploy", "${name}", "--domain=${domain}"], directory: "ops" };
    expect(tool({ method: "script", domain: "example.org", script })).toEqual({
      kind: "script",
      directory: "ops",
      argv: ["./deploy", "web", "--domain=example.org"],
    });
  });

  it("of a cluster never prunes by itself", () => {
    const kubernetes = {
      file: "default.nix",
      attribute: "kubenixEval.deploymentScript",
      keys: "keys",
      checks: [
        { job: "populate", namespace: "nix-csi" },
        {
          file: "/etc/machines",
          namespace: "nix-csi",
          workload: "statefulset/nix-cache",
          contains: ["node"],
        },
        { service: "nix-cache", namespace: "nix-csi", port: 80, timeout_seconds: 5 },
      ],
    };
    expect(tool({ method: "kubernetes", kubernetes })).toEqual({
      kind: "kubernetes",
      entry: {
        kind: "file",
        file: "default.nix",
        attribute: "kubenixEval.deploymentScript",
        args: {},
      },
      arguments: ["--yes"],
      prune: false,
      keys: "keys",
      checks: [
        { kind: "job", namespace: "nix-csi", name: "populate", timeoutSeconds: 300 },
        {
          kind: "file",
          namespace: "nix-csi",
          workload: "statefulset/nix-cache",
          container: null,
          path: "/etc/machines",
          contains: ["node"],
          timeoutSeconds: 300,
        },
        {
          kind: "answer",
          namespace: "nix-csi",
          service: "nix-cache",
          port: 80,
          path: "/",
          timeoutSeconds: 5,
        },
      ],
    });
    const pruning = { attribute: "deploymentScript", arguments: ["--yes", "--prune"] };
    expect(() => configured({ web: { kubernetes: pruning } })).toThrow("/deploy --prune");
  });
});

describe("a machine whose tool cannot be called", () => {
  it.each([
    [{ method: "kubernetes" }, "its `kubernetes` names no deployment script (`attribute`)"],
    [{ method: "script" }, "its `script` names no command (`run`)"],
    [
      { method: "script", script: { run: ["deploy", "${zone}"] } },
      "the settings of script need ${zone}",
    ],
    [
      { method: "colmena", colmena: { node: "@all" } },
      "it cannot be deployed by colmena: node is not one",
    ],
    [
      { method: "krops", krops: { dist: ["../.."] } },
      "it cannot be deployed by krops: dist.0 is not one",
    ],
  ])("%j is told, and not deployed by a guess", (own, problem) => {
    expect(machine(own)).toEqual({ tool: null, problems: [problem] });
  });

  it("needs no system in the evaluation where it builds by itself", () => {
    const alone = { ...found, attributes: [] };
    const by = (method: string) =>
      machinesOf(configured({ web: { method } }), alone).flatMap(({ problems }) => problems);
    expect(by("krops")).toEqual([]);
    expect(by("colmena")).toEqual(["the evaluation has no attribute that is its system"]);
  });
});
