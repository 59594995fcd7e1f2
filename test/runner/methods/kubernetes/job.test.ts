import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeployWork } from "../../../../src/protocol/machine.ts";
import type { MachineSpecification, MachineWork } from "../../../../src/protocol/specification.ts";
import { systemClock } from "../../../../src/runner/agent/clock.ts";
import type { JobContext } from "../../../../src/runner/agent/job.ts";
import type { MachineNews, Sink } from "../../../../src/runner/agent/sink.ts";
import { machineJobs } from "../../../../src/runner/deploy/job.ts";
import { authorityFingerprint } from "../../../../src/runner/deploy/methods/kubernetes/identity.ts";
import { DeployPolicy } from "../../../../src/runner/deploy/policy/policy.ts";
import { LocalRecords } from "../../../../src/runner/deploy/records.ts";
import { plainIsolation } from "../../../../src/runner/isolation/isolation.ts";
import { SHA, SPEAKER, work } from "../../deploy/support.ts";
import { TOOL } from "./bench.ts";
import { ClusterDouble } from "./double.ts";
import { installKubectl, type StandIn } from "./kubectl.ts";

const double = new ClusterDouble();
let kubectl: StandIn;
let records = "";
let policy: DeployPolicy;
beforeAll(async () => {
  await double.start();
  kubectl = await installKubectl(double.socket);
  records = await mkdtemp(join(tmpdir(), "snowcat-records-"));
  policy = DeployPolicy.parse({
    machines: {},
    clusters: {
      production: {
        kubeconfig: await kubectl.configure(),
        context: "production",
        authority: authorityFingerprint(kubectl.pem),
        repositories: [
          {
            host: SPEAKER.host,
            id: SPEAKER.repository,
            machine: "production",
            refs: ["refs/heads/main"],
          },
        ],
      },
    },
    builders: [],
  });
});
afterAll(async () => {
  await kubectl.remove();
  await double.stop();
  await rm(records, { recursive: true });
});

const hostKey = () => authorityFingerprint(kubectl.pem) ?? "";
const deploy = (changes: Partial<DeployWork> = {}): DeployWork => ({
  ...work({ backup: null, health: [] }),
  method: "kubernetes",
  machine: { name: "production", hostKey: hostKey() },
  tool: TOOL,
  source: {
    cloneUrl: "https://github.test/o/r",
    ref: "refs/heads/main",
    sha: SHA,
    tree: SHA,
    revision: false,
  },
  action: { kind: "source", tree: SHA },
  expected: null,
  ...changes,
});

/** A job on a runner that has kubectl; there are no machines. */
async function play(asked: MachineWork, resumed = false) {
  const news: MachineNews[] = [];
  const refusals: string[] = [];
  const before = (await kubectl.calls()).length;
  const run = machineJobs({
    policy: async () => policy,
    records: new LocalRecords(records),
    connect: async () => {
      throw new Error("a cluster has no ssh");
    },
    store: { nixStore: "nix-store", url: null, env: {} },
    env: {},
    tools: { isolation: plainIsolation({}), toolFolder: kubectl.folder },
    clock: systemClock,
  });
  const sink = {
    machine: async (one: MachineNews) => void news.push(one),
    log: () => ({ write: async () => {}, close: async () => {} }),
  } as Partial<Sink> as Sink;
  const context = {
    sink,
    signal: new AbortController().signal,
    seal: () => true,
    refused: async (refusal, why) => void refusals.push(`${refusal}: ${why}`),
    resumed,
  } as Partial<JobContext> as JobContext;
  const specification = {
    host: SPEAKER.host,
    repository: { id: SPEAKER.repository, owner: "o", name: "r", private: false },
    work: asked,
  } as Partial<MachineSpecification> as MachineSpecification;
  expect(await run(specification, context)).toMatchObject({ kind: "succeeded" });
  const calls = (await kubectl.calls()).slice(before).map(({ words }) => words[2]);
  const outcome = news.flatMap((one) => (one.kind === "deployed" ? [one.outcome] : []))[0];
  return { news, refusals, calls, outcome };
}

test("a cluster is observed by its record", async () => {
  const machines = [{ name: "production", hostKey: hostKey() }];
  const { news, calls } = await play({ kind: "observe", machines, connectSeconds: 30 });
  expect(news).toMatchObject([
    {
      kind: "observed",
      result: { kind: "observation", observation: { system: null, counter: 0 } },
    },
  ]);
  expect(calls).toEqual(["config", "proxy"]);
});

test("what the policy forbids reaches no cluster", async () => {
  const { outcome, refusals, calls } = await play(deploy({ ref: "refs/heads/feature" }));
  expect(outcome).toMatchObject({ kind: "held" });
  expect(refusals).toEqual([expect.stringContaining("may not be deployed to it")]);
  expect(calls).toEqual([]);
});

test("what an earlier life began is closed, and not begun again", async () => {
  const { outcome, news } = await play(deploy(), true);
  expect(outcome).toMatchObject({ kind: "failed-untouched", step: "begin" });
  expect(news.map((one) => one.kind)).toEqual(["step", "observed", "deployed"]);
  expect(double.changes).toEqual([]);
});

test("a program that is not in the store any more is missing, and the cluster is free again", async () => {
  const number = { kind: "generation", number: 3, system: null } as const;
  const { outcome } = await play(deploy({ source: null, action: number }));
  expect(outcome).toMatchObject({
    kind: "failed-untouched",
    step: "check",
    why: "the cluster's record has not deploy number 3",
  });
  expect([...double.objects.values()][0]?.data?.["record"]).toContain('"state":"ended"');
});
