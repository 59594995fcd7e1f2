import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../../src/runner/agent/clock.ts";
import { clusterApi } from "../../../../src/runner/deploy/methods/kubernetes/api.ts";
import { awaitChecks } from "../../../../src/runner/deploy/methods/kubernetes/checks.ts";
import { openDoor } from "../../../../src/runner/deploy/methods/kubernetes/door.ts";
import { authorityFingerprint } from "../../../../src/runner/deploy/methods/kubernetes/identity.ts";
import { progressOf } from "../../../../src/runner/deploy/methods/kubernetes/rollout.ts";
import { ClusterDouble } from "./double.ts";
import { installKubectl, type StandIn } from "./kubectl.ts";

let kubectl: StandIn;
let pem = "";
const double = new ClusterDouble();
beforeAll(async () => {
  await double.start();
  kubectl = await installKubectl(double.socket);
  ({ pem } = kubectl);
});
afterAll(async () => {
  await kubectl.remove();
  await double.stop();
});

const cluster = (changes: object = {}) => ({ ...kubectl.cluster, ...changes });
async function target(written: object = cluster(), context = "production") {
  const kubeconfig = await kubectl.configure(written);
  return { kubeconfig, context, authority: authorityFingerprint(pem) ?? "" };
}
const options = () => ({ connectSeconds: 20, env: { PATH: kubectl.folder } });

test("a door opens for the pinned authority, and closes", async () => {
  const opened = await openDoor(await target(), options());
  expect(opened.kind).toBe("open");
  if (opened.kind !== "open") return;
  const api = clusterApi(opened.door.socket, 5);
  expect(await api.ask("GET", "/api/v1/namespaces/csi/configmaps/none")).toMatchObject({
    kind: "answered",
    status: 404,
  });
  await opened.door.close();
  expect(await api.ask("GET", "/version")).toMatchObject({ kind: "lost" });
  const [view, proxy] = await kubectl.calls();
  expect(view?.env).toEqual(["PATH"]);
  expect(proxy?.words.slice(0, 3)).toEqual([
    `--kubeconfig=${join(kubectl.folder, "kubeconfig")}`,
    "--context=production",
    "proxy",
  ]);
  expect(proxy?.words).toContain("--accept-hosts=^localhost$");
});

test.each([
  [
    "another authority",
    () => cluster({ "certificate-authority-data": Buffer.from(pem + pem).toString("base64") }),
    /trusts no single authority/u,
  ],
  [
    "none",
    () => cluster({ "certificate-authority-data": undefined }),
    /trusts no single authority/u,
  ],
  [
    "one that is not looked at",
    () => cluster({ "insecure-skip-tls-verify": true }),
    /not to look at/u,
  ],
  ["a server without TLS", () => cluster({ server: "http://192.0.2.1" }), /not behind https/u],
] as const)("no door for %s", async (_what, written, why) => {
  const opened = await openDoor(await target(written()), options());
  expect(opened).toMatchObject({ kind: "failed", why: expect.stringMatching(why) as string });
});

test("no door for a context that is not there, or without kubectl", async () => {
  expect(await openDoor(await target(cluster(), "other"), options())).toMatchObject({
    kind: "failed",
    why: expect.stringContaining("cannot locate context") as string,
  });
  expect(await openDoor(await target(), { ...options(), env: { PATH: "/nowhere" } })).toMatchObject(
    { kind: "missing" },
  );
});

test("jobs, answers of services and files in pods are waited for, and judged", async () => {
  double.sick.add("broken");
  const put = (path: string, object: object = {}) =>
    double.objects.set(path, { metadata: {}, ...object });
  put("/apis/batch/v1/namespaces/csi/jobs/ctest", {
    status: { conditions: [{ type: "Complete", status: "True" }] },
  });
  put("/apis/batch/v1/namespaces/csi/jobs/broken", {
    status: { conditions: [{ type: "Failed", status: "True", message: "BackoffLimitExceeded" }] },
  });
  // Its pod is ready; the job is not done.
  put("/apis/batch/v1/namespaces/csi/jobs/slow", { status: { conditions: [] } });
  put("/api/v1/namespaces/csi/services/nix-cache:80/proxy/nix-cache-info");
  const at = { namespace: "csi", timeoutSeconds: 0.1 };
  const file = {
    ...at,
    kind: "file",
    workload: "statefulset/nix-cache",
    container: null,
    path: "/etc/machines",
  } as const;
  const wrong = await awaitChecks(
    [
      { ...at, kind: "job", name: "ctest" },
      { ...at, kind: "job", name: "broken" },
      { ...at, kind: "job", name: "slow" },
      { ...at, kind: "answer", service: "nix-cache", port: 80, path: "/nix-cache-info" },
      { ...at, kind: "answer", service: "nix-cache", port: 81, path: "/nix-cache-info" },
      { ...file, timeoutSeconds: 20, contains: ["node-1.nix-builders", "node-10"] },
      { ...file, timeoutSeconds: 0.9, contains: ["node-2", "node"] },
    ],
    {
      api: clusterApi(double.socket, 5),
      target: await target(),
      env: { PATH: kubectl.folder },
      clock: systemClock,
    },
    systemClock.now() + 20_000,
  );
  expect(wrong).toEqual([
    "job csi/broken: BackoffLimitExceeded",
    "job csi/slow: it is not complete, and its time is over",
    "service csi/nix-cache:81/nix-cache-info: not found (404), and its time is over",
    "/etc/machines in csi/statefulset/nix-cache: it lacks node-2, node, and its time is over",
  ]);
});

test.each([
  [
    "a workload whose controller has not looked yet",
    "deployments",
    { generation: 2 },
    {},
    { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1 },
    /has not looked/u,
  ],
  [
    "old pods that have not gone",
    "deployments",
    { generation: 1 },
    {},
    { observedGeneration: 1, replicas: 2, updatedReplicas: 1, readyReplicas: 2 },
    /old pods/u,
  ],
  [
    "a daemon on one node, not ready",
    "daemonsets",
    {},
    {},
    { observedGeneration: 0, desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 0 },
    /0 of 1 pods are ready/u,
  ],
  [
    "a set that is rolled out",
    "statefulsets",
    { generation: 1 },
    { replicas: 2 },
    { observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2 },
    null,
  ],
  [
    "a daemon that no node wants",
    "daemonsets",
    {},
    {},
    { observedGeneration: 0, desiredNumberScheduled: 0 },
    null,
  ],
] as const)("%s", async (_what, resource, metadata, spec, status, why) => {
  const path = `/apis/apps/v1/namespaces/csi/${resource}/one`;
  double.objects.set(path, { metadata, spec, status });
  const progress = await progressOf(clusterApi(double.socket, 5), path);
  if (why === null) expect(progress).toEqual({ kind: "done" });
  else expect(progress).toEqual({ kind: "waits", why: expect.stringMatching(why) as string });
});
