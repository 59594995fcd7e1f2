import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { store } from "../../deploy/support.ts";
import { bench, configmap, daemonset, deployment, RECORD_PATH } from "./bench.ts";
import type { Lies } from "./program.ts";

const WEB = [configmap("web"), deployment("web")];

test("a cluster is deployed: a dry run, the run, and a record of it", async () => {
  const { cluster, deploy, runs, steps, calls, observations } = await bench();
  expect(
    await deploy("one", 1, WEB, { tool: { arguments: ["--yes", "--abort-on-error"] } }),
  ).toEqual({
    kind: "active",
    system: store("one"),
    generation: 1,
    notices: [],
    running: store("one"),
  });
  expect(runs()).toEqual([
    ["--dry-run", "--short-output", "--abort-on-error"],
    ["--yes", "--short-output", "--abort-on-error"],
  ]);
  expect(cluster.changes.filter((change) => change.includes("/csi/"))).toEqual([
    ...WEB.map((path) => `PATCH ${path}?dryRun=All&fieldManager=kluctl`),
    ...WEB.map((path) => `PATCH ${path}?fieldManager=kluctl`),
  ]);
  expect(steps).toEqual(
    "connect begin check build dry-activate activate confirm health commit read-back".split(" "),
  );
  expect(calls[0]?.argv).toEqual(
    expect.arrayContaining([
      "nix-build",
      "-A",
      "kubenixEval.deploymentScript",
      "--argstr",
      "local",
      "true",
    ]),
  );
  // Nothing but the way to the gate: what the repository's program sees holds no login.
  expect(calls.map(({ env }) => Object.keys(env)).filter((names) => names.length > 0)).toEqual([
    ["KUBECONFIG"],
    ["KUBECONFIG"],
  ]);
  expect(observations.at(-1)).toMatchObject({
    system: store("one"),
    counter: 1,
    unfinished: null,
    profile: { number: 1 },
  });
});

test("pods that are not ready are not a success, whatever the tool says: the earlier program is applied again", async () => {
  const { cluster, deploy, runs } = await bench();
  await deploy("one", 1, WEB);
  // One node, no pod ready: maxUnavailable defaults to 1, and kluctl calls that ready.
  cluster.sick.add("driver");
  const outcome = await deploy("two", 2, [...WEB, daemonset("driver")]);
  expect(outcome).toMatchObject({ kind: "rolled-back", step: "health", running: store("one") });
  expect(outcome).toHaveProperty(
    "why",
    expect.stringMatching(/0 of 1 pods are ready[^]*still there.*daemonsets\.apps csi\/driver/u),
  );
  expect(runs().at(-1)).toEqual(["--yes", "--short-output"]);
  expect(await deploy("three", 3, WEB, { work: { expected: store("one") } })).toMatchObject({
    kind: "active",
    generation: 2,
  });
});

const LIES: [string, Lies, string, RegExp][] = [
  [
    "goes on after a refusal and exits with 0",
    { exitCode: 0 },
    "rolled-back",
    /refused: deployments\.apps csi\/web/u,
  ],
  ["exits with 1 although all was written", { exitCode: 1 }, "failed-untouched", /exited with 1/u],
  [
    "passes an object over",
    { skips: [deployment("web")] },
    "rolled-back",
    /passed over.*deployments\.apps csi\/web/u,
  ],
  [
    "takes a dry run for a run",
    { ignoresDryRun: true },
    "failed-untouched",
    /would change the cluster/u,
  ],
  [
    "only rehearses, whatever it is told",
    { alwaysDry: true, orphans: [], exitCode: 0 },
    "failed-untouched",
    /passed over.*configmaps csi\/web/u,
  ],
  [
    "deletes without being told to prune",
    { deletes: [configmap("old")] },
    "failed-untouched",
    /would delete: configmaps csi\/old/u,
  ],
  [
    "deletes what the dry run did not show",
    { surprises: [configmap("old")] },
    "rolled-back",
    /configmaps csi\/old is not deleted/u,
  ],
];
test.each(LIES)("a program that %s", async (_what, lies, kind, why) => {
  const { cluster, deploy } = await bench();
  await deploy("one", 1, [...WEB, configmap("old")]);
  if (lies.exitCode === 0 && lies.alwaysDry !== true) {
    let real = 0;
    cluster.fault = (method, path) => {
      if (method !== "PATCH" || path !== deployment("web")) return null;
      real += 1;
      // The dry run is answered, the run is refused, and what takes it back is answered again.
      return real === 2 ? 422 : null;
    };
  }
  const outcome = await deploy("two", 2, WEB, { lies });
  expect(outcome).toMatchObject({ kind, running: store("one") });
  expect(outcome).toHaveProperty("why", expect.stringMatching(why));
  expect(cluster.objects.has(configmap("old"))).toBe(true);
});

test("a program that asks nothing of the cluster speaks to another one", async () => {
  const { deploy } = await bench();
  expect(await deploy("one", 1, [])).toMatchObject({
    kind: "failed-untouched",
    step: "dry-activate",
    why: expect.stringContaining("asked nothing of the cluster") as string,
  });
});

test("pruning is permitted twice, and takes what the dry run showed", async () => {
  const { cluster, deploy, runs } = await bench();
  await deploy("one", 1, [...WEB, configmap("old")]);
  const lies = { orphans: [configmap("old")] };
  expect(await deploy("two", 2, WEB, { lies, tool: { prune: true } })).toMatchObject({
    kind: "held",
    running: store("one"),
  });
  expect(cluster.objects.has(configmap("old"))).toBe(true);
  expect(await deploy("two", 3, WEB, { lies, tool: { prune: true }, prune: true })).toMatchObject({
    kind: "active",
  });
  expect(cluster.objects.has(configmap("old"))).toBe(false);
  expect(runs().slice(-2)).toEqual([
    ["--dry-run", "--short-output", "--prune"],
    ["--yes", "--short-output", "--prune"],
  ]);
});

test("a first deploy that is sick cannot be taken back, and says so", async () => {
  const { cluster, deploy } = await bench();
  cluster.sick.add("web");
  expect(await deploy("one", 1, WEB)).toMatchObject({
    kind: "unknown",
    step: "revert",
    running: null,
    why: expect.stringContaining("no earlier deploy of this cluster is known") as string,
  });
});

test("older numbers, other states and a machine that is taken are refused", async () => {
  const { cluster, deploy } = await bench();
  await deploy("one", 5, WEB);
  expect(await deploy("two", 5, WEB)).toMatchObject({
    kind: "failed-untouched",
    step: "begin",
    why: expect.stringContaining("accepted deploy 5") as string,
  });
  expect(await deploy("two", 6, WEB, { work: { expected: store("zero") } })).toMatchObject({
    kind: "failed-untouched",
    step: "begin",
  });
  const record = cluster.objects.get(RECORD_PATH);
  const text = JSON.parse(record?.data?.["record"] ?? "") as Record<string, unknown>;
  const applying = { ...text, state: "applying", until: Date.now() + 60_000 };
  cluster.objects.set(RECORD_PATH, { ...record!, data: { record: JSON.stringify(applying) } });
  expect(await deploy("two", 7, WEB)).toMatchObject({ kind: "held" });
  // Its time is over: nobody knows what it has made of the cluster.
  cluster.objects.set(RECORD_PATH, {
    ...record!,
    data: { record: JSON.stringify({ ...applying, until: 1 }) },
  });
  cluster.sick.add("web");
  expect(await deploy("two", 8, WEB)).toMatchObject({ kind: "unknown", step: "revert" });
  cluster.sick.clear();
  expect(await deploy("two", 9, WEB)).toMatchObject({ kind: "active", generation: 2 });
});

test("a runner that wakes up after a newer deploy changes nothing any more", async () => {
  const at = await bench();
  await at.deploy("one", 1, WEB);
  let newer = false;
  const meanwhile = async (): Promise<void> => {
    const record = at.cluster.objects.get(RECORD_PATH);
    const text = record?.data?.["record"] ?? "";
    // As soon as it applies, somebody else has the cluster.
    if (newer || !text.includes('"state":"applying"')) return;
    newer = true;
    at.cluster.objects.set(RECORD_PATH, {
      ...record!,
      data: { record: text.replace('"counter":2', '"counter":3') },
    });
  };
  const outcome = await at.deploy("two", 2, WEB, { lies: { meanwhile, exitCode: 0 } });
  expect(outcome).toMatchObject({
    kind: "unknown",
    why: expect.stringContaining("deploy 3 has taken the cluster over") as string,
  });
  const real = at.cluster.changes.filter(
    (change) => change.startsWith("PATCH") && !change.includes("dryRun"),
  );
  expect(real.slice(2)).toEqual([`PATCH ${WEB[0]}?fieldManager=kluctl`]);
});

test("a cancel before anything is applied leaves the cluster free", async () => {
  const { cluster, deploy } = await bench();
  expect(await deploy("one", 1, WEB, { cancelled: true })).toMatchObject({
    kind: "failed-untouched",
  });
  expect(cluster.objects.get(RECORD_PATH)?.data?.["record"]).toContain('"state":"ended"');
});

test("a write whose answer is lost is found again; a record that cannot be read holds everybody back", async () => {
  const { cluster, deploy } = await bench();
  let lost = 0;
  cluster.fault = (method) => (method === "PUT" && (lost += 1) === 1 ? "lose" : null);
  expect(await deploy("one", 1, WEB)).toMatchObject({ kind: "active" });
  expect(lost).toBeGreaterThan(1);
  cluster.objects.set(RECORD_PATH, { metadata: { resourceVersion: "1" }, data: { record: "{}" } });
  expect(await deploy("two", 2, WEB)).toMatchObject({ kind: "failed-untouched", step: "connect" });
});

test("somebody else's write comes before, and the decision is made again", async () => {
  const { cluster, deploy } = await bench();
  await deploy("one", 1, WEB);
  let raced = false;
  cluster.before = (method, path) => {
    if (raced || method !== "PUT" || path !== RECORD_PATH) return;
    raced = true;
    const record = cluster.objects.get(RECORD_PATH)!;
    const text = (record.data?.["record"] ?? "").replace('"counter":1', '"counter":9');
    cluster.objects.set(RECORD_PATH, {
      ...record,
      metadata: { resourceVersion: "999" },
      data: { record: text },
    });
  };
  expect(await deploy("two", 2, WEB)).toMatchObject({
    kind: "failed-untouched",
    why: expect.stringContaining("accepted deploy 9") as string,
  });
});

test("what no cluster can do is refused before it is touched", async () => {
  const { cluster, deploy } = await bench();
  expect(await deploy("one", 1, WEB, { work: { backup: ["dump"] } })).toMatchObject({
    kind: "failed-untouched",
    step: "backup",
  });
  const unit = {
    kind: "unit",
    unit: "a.service",
    graceSeconds: 1,
    intervalSeconds: 1,
    timeoutSeconds: 1,
  } as const;
  expect(await deploy("one", 1, WEB, { work: { health: [unit] } })).toMatchObject({
    kind: "failed-untouched",
    step: "health",
  });
  cluster.fault = (method) => (method === "POST" ? 404 : null);
  expect(await deploy("one", 1, WEB)).toMatchObject({ kind: "not-prepared" });
  expect(cluster.objects.size).toBe(0);
});

test("a private key among the public ones stops the deploy, and is not told", async () => {
  const { place, deploy, said, runs } = await bench();
  const keys = join(place.tree, "keys");
  await mkdir(keys, { recursive: true });
  const tool = { keys: "keys" };
  expect(await deploy("one", 1, WEB, { tool })).toMatchObject({
    kind: "failed-untouched",
    why: "there is no public key in keys",
  });
  await writeFile(
    join(keys, "a.pub"),
    `# of a\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"a".repeat(43)} a@b\n`,
  );
  expect(await deploy("one", 2, WEB, { tool })).toMatchObject({ kind: "active" });
  const secret = `s3cr3t${"x".repeat(40)}`;
  await writeFile(join(keys, "b.pub"), `-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}\n`);
  expect(await deploy("two", 3, WEB, { tool })).toMatchObject({
    kind: "failed-untouched",
    why: expect.stringMatching(/"keys\/b\.pub" holds a PRIVATE key/u) as string,
  });
  await writeFile(join(keys, "b.pub"), `${secret}\n`);
  expect(await deploy("two", 4, WEB, { tool })).toMatchObject({
    why: '"keys/b.pub" is not a file of public keys (.pub)',
  });
  expect(said.join("\n")).not.toContain(secret);
  expect(runs()).toHaveLength(2);
});

test("the way back needs no tree: a program that was applied before is applied again", async () => {
  const { cluster, deploy, calls } = await bench();
  await deploy("one", 1, WEB);
  await deploy("two", 2, [...WEB, configmap("more")]);
  const back = {
    source: null,
    action: { kind: "generation", number: null, system: null },
  } as const;
  const before = calls.length;
  const wanted = { number: 9, system: null };
  expect(
    await deploy("-", 3, [], { work: { ...back, action: { ...back.action, ...wanted } } }),
  ).toMatchObject({
    kind: "failed-untouched",
    why: "the cluster's record has not deploy number 9",
  });
  expect(await deploy("-", 4, [], { work: back })).toMatchObject({
    kind: "active",
    system: store("one"),
    generation: 3,
  });
  expect(calls.slice(before).map(({ argv }) => argv[0])).not.toContain("nix-build");
  expect(cluster.objects.has(configmap("more"))).toBe(true);
});

test("a way to the cluster that is gone for a moment is tried again; one that stays away is not confirmed", async () => {
  const { deploy } = await bench();
  expect(await deploy("one", 1, WEB, { opens: (count) => count !== 2 })).toMatchObject({
    kind: "active",
  });
  const gone = await deploy("two", 2, WEB, { opens: (count) => count < 5 });
  expect(gone).toMatchObject({ kind: "unknown", step: "revert", running: null });
  expect(gone).toHaveProperty("why", expect.stringContaining("did not listen"));
});
