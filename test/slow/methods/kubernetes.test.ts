import { execFileSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeployStep } from "../../../src/protocol/machine.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { authorityFingerprint } from "../../../src/runner/deploy/methods/kubernetes/identity.ts";
import {
  deployOneCluster,
  observeCluster,
} from "../../../src/runner/deploy/methods/kubernetes/job.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { SHA, work } from "../../runner/deploy/support.ts";
import { isolationForTest, whyNot } from "../../runner/isolation/support.ts";
import { configmap, TOOL, type Tool } from "../../runner/methods/kubernetes/bench.ts";
import { ClusterDouble } from "../../runner/methods/kubernetes/double.ts";

/**
 * The real kubectl, at both ends: as the way of the runner to the cluster, and as what a deployment program calls within the
 * sandbox. There is no control plane: behind https stands the double, and answers discovery besides.
 */
const reason = whyNot() ?? missing("kubectl") ?? tooOld() ?? missing("openssl");
/** Before its dry runs kubectl 1.20 of Debian 12 asks for a description of the API that the double has not. */
function tooOld(): string | null {
  const told = execFileSync("kubectl", ["version", "--client", "-o", "json"], { encoding: "utf8" });
  const minor = /"minor": *"(\d+)/u.exec(told)?.[1] ?? "0";
  return Number(minor) < 30 ? `kubectl 1.${minor} is older than 1.30` : null;
}
function missing(program: string): string | null {
  const found = (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return found ? null : `not installed: ${program}`;
}

const verbs = ["create", "delete", "get", "list", "patch", "update"];
const DISCOVERY: Record<string, unknown> = {
  "/version": { major: "1", minor: "32", gitVersion: "v1.32.0" },
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
  "/api/v1": {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: [
      { name: "configmaps", singularName: "configmap", namespaced: true, kind: "ConfigMap", verbs },
      {
        name: "namespaces",
        singularName: "namespace",
        namespaced: false,
        kind: "Namespace",
        verbs,
      },
    ],
  },
};

/** As `kubenix` of hall/kubenix is called: what is not its own is kubectl's, with the manifest on stdin. */
const DEFAULT_NIX = `{ says }:
{
  deploy = derivation {
    name = "kubenix";
    system = "x86_64-linux";
    builder = "/bin/sh";
    passAsFile = [ "manifest" ];
    manifest = builtins.readFile ./manifest.json;
    args = [ "-c" "mkdir -p $out/bin; cp $manifestPath $out/manifest.json; { echo '#!/bin/sh'; echo \\"test '\${says}' = said || exit 9\\"; echo \\"exec kubectl \\\\\\"\\\\$@\\\\\\" < $out/manifest.json\\"; } > $out/bin/kubenix; chmod +x $out/bin/kubenix" ];
  };
  traps = throw "enumerated";
}
`;
const tool: Tool = {
  ...TOOL,
  entry: { kind: "file", file: "default.nix", attribute: "deploy", args: { says: "said" } },
  arguments: ["--server-side", "--validate=false"],
};

let isolation: Isolation;
let folder = "";
const double = new ClusterDouble();
const closing: (() => Promise<unknown>)[] = [];
let policy: DeployPolicy;

beforeAll(async () => {
  if (reason !== null) return;
  await double.start();
  closing.push(() => double.stop());
  folder = await mkdtemp(join(tmpdir(), "snowcat-kubernetes-"));
  closing.push(() => rm(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { stdio: "pipe", cwd: folder });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...curve,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=ca",
    "-days",
    "2",
  );
  openssl("req", ...curve, "-keyout", "key", "-out", "csr", "-subj", "/CN=127.0.0.1");
  await writeFile(at("san"), "subjectAltName=IP:127.0.0.1\n");
  openssl(
    "x509",
    "-req",
    "-in",
    "csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    "san",
    "-out",
    "crt",
  );
  const server = createServer(
    { key: readFileSync(at("key")), cert: readFileSync(at("crt")) },
    (incoming, response) => {
      const path = (incoming.url ?? "").split("?")[0] ?? "";
      // Whoever has not logged in is told nothing: the gate's callers bring no login of their own.
      if (incoming.headers.authorization !== "Bearer the-operators") {
        response.writeHead(401, { "content-type": "application/json" });
        return response.end('{"kind":"Status","message":"Unauthorized"}');
      }
      const known = DISCOVERY[path];
      if (known !== undefined) {
        response.writeHead(200, { "content-type": "application/json" });
        return response.end(JSON.stringify(known));
      }
      const onward = request(
        { socketPath: double.socket, method: incoming.method, path: incoming.url },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on("error", () => response.destroy());
      return incoming.pipe(onward);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await writeFile(
    at("kubeconfig"),
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "another",
      clusters: [
        {
          name: "c",
          cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority": at("ca.crt") },
        },
      ],
      contexts: [{ name: "production", context: { cluster: "c", user: "u" } }],
      users: [{ name: "u", user: { token: "the-operators" } }],
    }),
    { mode: 0o600 },
  );
  policy = DeployPolicy.parse({
    machines: {},
    clusters: {
      production: {
        kubeconfig: at("kubeconfig"),
        context: "production",
        authority: authorityFingerprint(readFileSync(at("ca.crt"), "utf8")),
        prune: true,
        repositories: [
          { host: "github.test", id: 7, machine: "production", refs: ["refs/heads/main"] },
        ],
      },
    },
    builders: [],
  });
  const opened = await isolationForTest();
  closing.push(() => opened.close());
  ({ isolation } = opened);
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

async function deploy(counter: number, names: readonly string[], extra: readonly string[] = []) {
  const cluster = policy.clusters?.["production"];
  if (cluster === undefined) throw new Error("the policy names no cluster");
  const steps: DeployStep[] = [];
  const log: string[] = [];
  const items = names.map((name) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "csi" },
    data: { counter: String(counter) },
  }));
  const tree = {
    "default.nix": DEFAULT_NIX,
    "manifest.json": JSON.stringify({ apiVersion: "v1", kind: "List", items }),
  };
  const with_ = { ...tool, arguments: [...tool.arguments, ...extra] };
  const outcome = await deployOneCluster({
    work: {
      ...work({ counter, backup: null, health: [] }),
      method: "kubernetes",
      machine: { name: "production", hostKey: cluster.authority },
      tool: with_,
      source: {
        cloneUrl: "https://github.test/o/r",
        ref: "refs/heads/main",
        sha: SHA,
        tree: SHA,
        revision: false,
      },
      expected: null,
      action: { kind: "source", tree: SHA },
      limits: {
        connectSeconds: 30,
        copySeconds: 120,
        activationSeconds: 60,
        confirmationSeconds: 20,
      },
    },
    policy,
    cluster,
    tools: { isolation, toolFolder: null },
    layOut: async (workspace) => {
      const at = `${workspace.directory}/tree`;
      for (const [name, input] of Object.entries(tree))
        await workspace.launch({
          argv: ["sh", "-c", 'mkdir -p "$1" && cat > "$1/$2"', "sh", at, name],
          network: "none",
          input,
        });
      return { kind: "tree", tree: at };
    },
    clock: systemClock,
    signal: new AbortController().signal,
    seal: () => true,
    resumed: false,
    step: async (step) => void steps.push(step),
    observed: async () => {},
    say: (line) => void log.push(line),
  });
  return { outcome, steps, log: log.join("\n") };
}

test.skipIf(reason !== null)(
  `kubectl itself, behind the gate, in a sandbox${reason === null ? "" : ` (skipped: ${reason})`}`,
  async () => {
    const first = await deploy(1, ["a", "b"]);
    expect(first.outcome, first.log).toMatchObject({ kind: "active", generation: 1 });
    expect(double.objects.get(configmap("a"))).toMatchObject({ data: { counter: "1" } });
    const mine = double.changes.filter((change) => change.includes("/csi/"));
    expect(mine.map((change) => [change.split("?")[0], change.includes("dryRun=All")])).toEqual([
      [`PATCH ${configmap("a")}`, true],
      [`PATCH ${configmap("b")}`, true],
      [`PATCH ${configmap("a")}`, false],
      [`PATCH ${configmap("b")}`, false],
    ]);
    // Another program of the repository: what it does beside its dry run does not arrive.
    const second = await deploy(2, ["a"], ["--dry-run=none"]);
    expect(second.outcome, second.log).toMatchObject({
      kind: "failed-untouched",
      step: "dry-activate",
    });
    expect(second.outcome).toHaveProperty("why", expect.stringContaining("this is a dry run"));
    expect(double.objects.get(configmap("a"))).toMatchObject({ data: { counter: "1" } });
    expect(first.log + second.log).not.toContain("the-operators");
    const cluster = policy.clusters?.["production"];
    if (cluster === undefined) throw new Error("the policy names no cluster");
    const seen = await observeCluster(cluster, {
      connectSeconds: 30,
      toolFolder: null,
      clock: systemClock,
    });
    expect(seen).toMatchObject({ kind: "done", value: { counter: 2, profile: { number: 1 } } });
  },
);
