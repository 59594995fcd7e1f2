import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import type { HostKey } from "../../../../protocol/machine.ts";
import { describeEnd, type Environment, run, start, succeeded } from "../../../process/index.ts";
import { authorityFingerprint } from "./identity.ts";

/** How a cluster is reached: an entry of the operator's own kubeconfig. */
export interface ClusterTarget {
  readonly kubeconfig: string;
  readonly context: string;
  /** Pinned: the fingerprint of its authority's certificate. */
  readonly authority: HostKey;
}

export interface DoorOptions {
  readonly connectSeconds: number;
  /** Of `kubectl`: PATH, and what the login programs that the kubeconfig names need. */
  readonly env: Environment;
  readonly signal?: AbortSignal;
}

/** The cluster's API behind `kubectl proxy`: a Unix socket that nobody but this user can open. Credentials stay in that process. */
export interface Door {
  readonly socket: string;
  close(): Promise<void>;
}

export type Opened =
  | { kind: "open"; door: Door }
  | { kind: "missing"; why: string }
  | { kind: "failed"; why: string };

const Cluster = z.object({
  server: z.string(),
  "certificate-authority-data": z.string().optional(),
  "insecure-skip-tls-verify": z.boolean().optional(),
});
/**
 * Never through the door, whatever is behind it: a shell in a pod, another way into one, a login of a service account, and
 * the API of a node.
 */
const CLOSED = String.raw`/(pods/[^/]+/(exec|attach|portforward|ephemeralcontainers)|serviceaccounts/[^/]+/token|nodes/[^/]+/proxy)`;

/**
 * Opens the way to a cluster. The authority that the kubeconfig trusts has to be the pinned one: a kubeconfig that was
 * exchanged, or whose context points elsewhere, opens nothing.
 */
export async function openDoor(target: ClusterTarget, options: DoorOptions): Promise<Opened> {
  const judged = await judgeTarget(target, options);
  if (judged !== null) return judged;
  const folder = await mkdtemp(join(tmpdir(), "snowcat-cluster-"));
  const socket = join(folder, "api");
  const proxy = start(
    [
      ...kubectl(target),
      "proxy",
      `--unix-socket=${socket}`,
      `--reject-paths=${CLOSED}`,
      "--accept-hosts=^localhost$",
    ],
    { env: options.env, stdio: ["ignore", "pipe", "pipe"] },
  );
  const close = async (): Promise<void> => {
    proxy.terminate();
    await proxy.ended;
    await rm(folder, { recursive: true, force: true });
  };
  const said = await serving(proxy, options);
  if (said !== null) {
    await close();
    return { kind: "failed", why: said };
  }
  return { kind: "open", door: { socket, close } };
}

function kubectl({ kubeconfig, context }: ClusterTarget): [string, ...string[]] {
  return ["kubectl", `--kubeconfig=${kubeconfig}`, `--context=${context}`];
}

/** Null: it is the pinned cluster. Only the cluster's own part of the kubeconfig is asked for: no key is in the answer. */
async function judgeTarget(
  target: ClusterTarget,
  { env, connectSeconds, signal }: DoorOptions,
): Promise<Exclude<Opened, { kind: "open" }> | null> {
  const view = await run(
    [
      ...kubectl(target),
      "config",
      "view",
      "--minify",
      "--flatten",
      "--raw",
      "-o",
      "jsonpath={.clusters[0].cluster}",
    ],
    { env, timeoutMs: connectSeconds * 1_000, ...(signal === undefined ? {} : { signal }) },
  );
  if (view.startFailure !== null)
    return {
      kind: "missing",
      why: `kubectl is not on the runner's path: ${view.startFailure.message}`,
    };
  if (!succeeded(view))
    return {
      kind: "failed",
      why: `the kubeconfig cannot be read: kubectl ${describeEnd(view)}\n${text(view.stderr)}`,
    };
  const parsed = Cluster.safeParse(json(text(view.stdout)));
  if (!parsed.success)
    return { kind: "failed", why: `the kubeconfig's context ${target.context} names no cluster` };
  const cluster = parsed.data;
  if (cluster["insecure-skip-tls-verify"] === true)
    return { kind: "failed", why: "the kubeconfig says not to look at the cluster's certificate" };
  if (!cluster.server.startsWith("https://"))
    return { kind: "failed", why: "the kubeconfig's server is not behind https" };
  const data = cluster["certificate-authority-data"];
  const found =
    data === undefined ? null : authorityFingerprint(Buffer.from(data, "base64").toString("utf8"));
  if (found !== target.authority)
    return {
      kind: "failed",
      why: `the kubeconfig trusts ${found ?? "no single authority of its own"}, and ${target.authority} is pinned: this is another cluster, or its authority was changed`,
    };
  return null;
}

/** Waits for the line by which `kubectl proxy` says that it listens; what it says instead otherwise. */
async function serving(
  proxy: ReturnType<typeof start>,
  { connectSeconds, signal }: DoorOptions,
): Promise<string | null> {
  let errors = "";
  proxy.stderr?.on("data", (chunk: Uint8Array) => {
    errors = (errors + text(chunk)).slice(-4_000);
  });
  return await new Promise((resolve) => {
    let said = "";
    const limit = setTimeout(
      () => resolve(`kubectl proxy did not listen within ${connectSeconds} s\n${errors}`),
      connectSeconds * 1_000,
    );
    const settle = (answer: string | null): void => {
      clearTimeout(limit);
      resolve(answer);
    };
    proxy.stdout?.on("data", (chunk: Uint8Array) => {
      said = (said + text(chunk)).slice(-4_000);
      if (said.includes("Starting to serve on")) settle(null);
    });
    signal?.addEventListener("abort", () => settle("it was cancelled"), { once: true });
    void proxy.ended.then((end) => settle(`kubectl proxy ${describeEnd(end)}\n${errors}`));
  });
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
function json(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    // Nothing was printed: the schema says so.
    return null;
  }
}
