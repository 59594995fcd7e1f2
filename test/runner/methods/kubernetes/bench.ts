import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import type { DeployWork, MachineOutcome, Observation } from "../../../../src/protocol/machine.ts";
import type { ToolWork } from "../../../../src/protocol/tool.ts";
import { systemClock } from "../../../../src/runner/agent/clock.ts";
import type { ClusterParts } from "../../../../src/runner/deploy/methods/kubernetes/cluster.ts";
import { deployCluster } from "../../../../src/runner/deploy/methods/kubernetes/deploy.ts";
import { run } from "../../../../src/runner/process/index.ts";
import { SHA, store, work as deployWork } from "../../deploy/support.ts";
import { ClusterDouble } from "./double.ts";
import { kluctl, type Lies, type Manifest } from "./program.ts";

export type Tool = Extract<ToolWork, { kind: "kubernetes" }>;
export const TOOL: Tool = {
  kind: "kubernetes",
  entry: {
    kind: "file",
    file: "default.nix",
    attribute: "kubenixEval.deploymentScript",
    args: { local: "true" },
  },
  arguments: [],
  prune: false,
  keys: null,
  checks: [],
};
export const AUTHORITY = `SHA256:${"A".repeat(43)}`;
export const deployment = (name: string): string =>
  `/apis/apps/v1/namespaces/csi/deployments/${name}`;
export const daemonset = (name: string): string =>
  `/apis/apps/v1/namespaces/csi/daemonsets/${name}`;
export const configmap = (name: string): string => `/api/v1/namespaces/csi/configmaps/${name}`;
export const RECORD_PATH = "/api/v1/namespaces/snowcat/configmaps/snowcat";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Options = {
  lies?: Lies;
  tool?: Partial<Tool>;
  work?: Partial<DeployWork>;
  prune?: boolean;
  cancelled?: boolean;
  /** Told with each way to the cluster, counted from 1: whether it is there. */
  opens?: (count: number) => boolean;
};

/** A cluster, and deploys of it: each is one program of a repository, under a name that is its place in the store. */
export async function bench() {
  const cluster = await new ClusterDouble().start();
  closing.push(() => cluster.stop());
  const folder = await mkdtemp(join(tmpdir(), "snowcat-place-"));
  closing.push(() => rm(folder, { recursive: true }));
  const programs = new Map<string, { manifest: Manifest; lies: Lies }>();
  const calls: { argv: readonly string[]; env: Readonly<Record<string, string>> }[] = [];
  const said: string[] = [];
  const steps: string[] = [];
  const observations: Observation[] = [];
  let wanted = "";

  const place = {
    tree: join(folder, "tree"),
    scratch: join(folder, "scratch"),
    write: async (path: string, content: string | Uint8Array): Promise<void> => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    },
    run: async (
      argv: readonly [string, ...string[]],
      options: { env?: Readonly<Record<string, string>>; timeoutSeconds: number },
    ) => {
      const [file, ...words] = argv;
      calls.push({ argv, env: options.env ?? {} });
      const ended = (exitCode: number, stdout = "") => ({
        exitCode,
        timedOut: false,
        log: "",
        stdout,
      });
      if (file === "nix-build") return ended(0, `${wanted}\n`);
      if (file === "nix-store") return ended(programs.has(words[1] ?? "") ? 0 : 1);
      if (file === "find" && words[1]?.startsWith("/nix/store/") === true)
        return ended(0, `${words[1]}/bin/kubenixDeploy\n${words[1]}/share/note\n`);
      const program = programs.get(file.replace(/\/bin\/kubenixDeploy$/u, ""));
      if (program !== undefined)
        return await kluctl(
          program.manifest,
          program.lies,
          words,
          options.env?.["KUBECONFIG"] ?? "",
        );
      const real = await run(argv, { env: { PATH: process.env["PATH"] ?? "" } });
      const stdout = Buffer.from(real.stdout).toString("utf8");
      said.push(stdout);
      return { exitCode: real.exitCode, timedOut: false, log: "", stdout };
    },
  };

  let opened = 0;
  const parts = (name: string, counter: number, tool: Tool, options: Options): ClusterParts => ({
    work: {
      ...deployWork({ counter, backup: null, health: [] }),
      method: "kubernetes",
      machine: { name: "production", hostKey: AUTHORITY },
      tool,
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
        connectSeconds: 5,
        copySeconds: 20,
        activationSeconds: 20,
        confirmationSeconds: 0.5,
      },
      ...options.work,
    },
    tool,
    cluster: {
      target: { kubeconfig: "/nowhere", context: "production", authority: AUTHORITY },
      namespace: "snowcat",
      prune: options.prune ?? false,
    },
    openPlace: async () => ({ kind: "open", place, proxy: null, close: async () => {} }),
    open: async () => {
      opened += 1;
      return options.opens?.(opened) === false
        ? { kind: "failed", why: "kubectl proxy did not listen" }
        : { kind: "open", door: { socket: cluster.socket, close: async () => {} } };
    },
    env: {},
    owner: `${name}-${counter}`,
    clock: systemClock,
    signal: new AbortController().signal,
    probe: async () => null,
    seal: () => options.cancelled !== true,
    step: async (step) => void steps.push(step),
    observed: async (reply) => {
      if (reply.kind === "done") observations.push(reply.value);
    },
    say: (line) => said.push(line),
  });

  return {
    cluster,
    place,
    calls,
    said,
    steps,
    observations,
    parts: (counter: number) => parts("again", counter, TOOL, {}),
    /** The arguments that programs of the repository were given. */
    runs: () =>
      calls.flatMap(({ argv }) => (argv[0]?.startsWith("/nix/") === true ? [argv.slice(1)] : [])),
    deploy: async (
      name: string,
      counter: number,
      manifest: Manifest,
      options: Options = {},
    ): Promise<MachineOutcome> => {
      wanted = store(name);
      programs.set(wanted, { manifest, lies: options.lies ?? {} });
      const tool = { ...TOOL, ...options.tool };
      return await deployCluster(parts(name, counter, tool, options));
    },
  };
}
