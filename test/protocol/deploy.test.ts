import { describe, expect, it } from "vitest";
import { DeployWork, METHODS, type Method } from "../../src/protocol/machine.ts";
import type { ToolWork } from "../../src/protocol/tool.ts";

const SHA = "a".repeat(40);
const TREE = "b".repeat(40);
const SYSTEM = `/nix/store/${"0".repeat(32)}-nixos-system-web`;
const source = {
  cloneUrl: "https://github.com/octo/fleet.git",
  ref: "refs/heads/main",
  sha: SHA,
  tree: TREE,
  revision: false,
};
const manifest = {
  digest: "c".repeat(64),
  system: SYSTEM,
  paths: 3,
  narBytes: 1_000,
  signature: `${"A".repeat(86)}==`,
  builder: "key",
};
const limits = {
  connectSeconds: 10,
  copySeconds: 3_600,
  activationSeconds: 900,
  confirmationSeconds: 300,
};

const tools: { readonly [K in ToolWork["kind"]]: Extract<ToolWork, { kind: K }> } = {
  "nixos-rebuild": { kind: "nixos-rebuild", directory: ".", configuration: "web" },
  "deploy-rs": { kind: "deploy-rs", directory: "nix", node: "web", profile: "system" },
  colmena: { kind: "colmena", directory: ".", node: "web" },
  clan: { kind: "clan", directory: ".", machine: "web" },
  darwin: { kind: "darwin", directory: ".", configuration: "web" },
  krops: {
    kind: "krops",
    attribute: "web",
    build: { local: "build-local.nix", krops: "krops.nix" },
    dist: ["build/web/dist"],
    sources: [{ from: "lnbits", to: "/var/src/lnbits-src", files: ["flake.nix", "flake.lock"] }],
    sentinel: "/var/src/.populate",
  },
  kubernetes: {
    kind: "kubernetes",
    entry: {
      kind: "file",
      file: "default.nix",
      attribute: "kubenixEval.deploymentScript",
      args: { local: "true" },
    },
    arguments: ["--yes"],
    prune: false,
    keys: "keys",
    checks: [
      { kind: "job", namespace: "nix-csi", name: "populate", timeoutSeconds: 60 },
      {
        kind: "file",
        namespace: "nix-csi",
        workload: "statefulset/nix-cache",
        container: null,
        path: "/etc/machines",
        contains: ["nix-csi-node"],
        timeoutSeconds: 60,
      },
      {
        kind: "answer",
        namespace: "nix-csi",
        service: "nix-cache",
        port: 80,
        path: "/nix-cache-info",
        timeoutSeconds: 60,
      },
    ],
  },
  script: { kind: "script", directory: ".", argv: ["./deploy.sh", "--host", "web"] },
};

function workOf(method: Method) {
  const common = {
    kind: "deploy",
    machine: { name: "web", hostKey: `SHA256:${"a".repeat(43)}` },
    method,
    counter: 5,
    sha: SHA,
    ref: "refs/heads/main",
    expected: null,
    health: [],
    backup: null,
    limits,
  };
  const action =
    METHODS[method] === "closure"
      ? { kind: "system", system: SYSTEM, manifest }
      : { kind: "source", tree: TREE };
  if (method === "plain") return { ...common, tool: null, source: null, action };
  return { ...common, tool: tools[method], source, action };
}
const methods = Object.keys(METHODS) as Method[];
const back = { kind: "generation", number: null, system: SYSTEM };
const why = (work: object) =>
  DeployWork.safeParse(work).error?.issues.map(({ message, path }) =>
    path.length === 0 ? message : path.join("."),
  ) ?? [];

describe("a deploy's work", () => {
  it.each(methods)("by %s is read as it was written, there and back", (method) => {
    const work = workOf(method);
    expect(DeployWork.parse(work)).toEqual(work);
    const returned = { ...work, source: null, action: back };
    expect(DeployWork.parse(returned)).toEqual(returned);
  });

  it("brings back the sources of another commit than the one it names", () => {
    const earlier = { ...source, sha: "d".repeat(40), tree: "e".repeat(40) };
    expect(why({ ...workOf("krops"), source: earlier, action: back })).toEqual([]);
  });

  it.each([
    ["another method's tool", { ...workOf("krops"), tool: tools.script }],
    ["plain with a tool", { ...workOf("plain"), tool: tools.clan, source }],
    ["no tool", { ...workOf("colmena"), tool: null }],
  ])("with %s is refused", (_, work) => {
    expect(why(work)).toContain("the tool is another method's");
  });

  it.each([
    ["a closure for krops", "krops", { action: workOf("plain").action }],
    ["a tree for plain", "plain", { action: { kind: "source", tree: TREE } }],
    ["no tree for a tool", "colmena", { source: null }],
    ["a tree for plain's closure", "plain", { source }],
    ["the tree of another commit", "krops", { source: { ...source, sha: "d".repeat(40) } }],
    ["another tree than was approved", "script", { action: { kind: "source", tree: SHA } }],
  ] as const)("with %s is refused", (_, method, change) => {
    expect(why({ ...workOf(method), ...change })).toHaveLength(1);
  });
});

describe("what a repository names for a tool", () => {
  const krops = (change: Partial<typeof tools.krops>) => ({
    ...workOf("krops"),
    tool: { ...tools.krops, ...change },
  });
  const named = (kind: "colmena" | "clan", name: string) => ({
    ...workOf(kind),
    tool: kind === "clan" ? { ...tools.clan, machine: name } : { ...tools.colmena, node: name },
  });

  it.each(["-f", "@tag", "web*", "a,b", "", "../web", "we b", "web\n"])(
    "is no option, tag or pattern: %j",
    (name) => {
      expect(why(named("colmena", name))).toEqual(["tool.node"]);
      expect(why(named("clan", name))).toEqual(["tool.machine"]);
    },
  );

  it.each(["/etc/shadow", "..", "a/../../b", "a/..", "-I", "a\nb", ""])(
    "stays in its tree: %j",
    (path) => {
      expect(why(krops({ dist: [path] }))).toEqual(["tool.dist.0"]);
    },
  );

  it.each([".", "a/b.c", "a..b/..c", "lnbits"])("may be any other path: %j", (path) => {
    expect(why(krops({ dist: [path] }))).toEqual([]);
  });

  it.each(["var/src", "/var/../etc", "/..", "/"])("names files of a machine whole: %j", (path) => {
    expect(why(krops({ sentinel: path }))).toEqual(["tool.sentinel"]);
  });
});
