import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DeployWork } from "../../../src/protocol/machine.ts";
import type { MachineSpecification, MachineWork } from "../../../src/protocol/specification.ts";
import type { MachineNews, Sink } from "../../../src/runner/agent/sink.ts";
import type { JobContext } from "../../../src/runner/agent/job.ts";
import { machineJobs } from "../../../src/runner/deploy/job.ts";
import { fingerprint } from "../../../src/runner/deploy/policy/host-key.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { LocalRecords } from "../../../src/runner/deploy/records.ts";
import type { MachineTarget } from "../../../src/runner/machine/index.ts";
import { ModelMachine, NEW, OLD } from "./model.ts";
import { Ticking } from "./ticking.ts";
import { quiet } from "./script.ts";
import { BUILDER, HOST_KEYS, policyJson, signedManifest, SPEAKER, work } from "./support.ts";

const WEB = { name: "web", hostKey: fingerprint(HOST_KEYS.web) };

describe("jobs about machines", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "snowcat-jobs-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** A job on a runner with the policy of the tests, whose machines are models. */
  async function play(
    asked: MachineWork,
    {
      repository = SPEAKER.repository,
      text = BUILDER.text,
      script = {},
      ...rest
    }: {
      repository?: number;
      text?: string;
      script?: Partial<typeof quiet>;
      policy?: unknown;
      resumed?: boolean;
    } = {},
  ) {
    const clock = new Ticking();
    const targets: MachineTarget[] = [];
    const news: MachineNews[] = [];
    const refusals: string[] = [];
    let log = "";
    const machine = new ModelMachine({ ...quiet, ...script }, clock);
    const run = machineJobs({
      policy: async () => DeployPolicy.parse(rest.policy ?? { ...policyJson(), ...ALWAYS() }),
      records: new LocalRecords(directory),
      connect: async (target) => {
        targets.push(target);
        return machine;
      },
      store: { nixStore: "nix-store", url: null, env: {} },
      env: {},
      clock,
    });
    const sink = {
      machine: async (one: MachineNews) => void news.push(one),
      log: () => ({
        write: async (bytes: Uint8Array) => void (log += new TextDecoder().decode(bytes)),
        close: async () => {},
      }),
    } as Partial<Sink> as Sink;
    const context = {
      sink,
      manifests: { get: async () => text, put: async () => {} },
      signal: new AbortController().signal,
      seal: () => true,
      refused: async (refusal, why) => void refusals.push(`${refusal}: ${why}`),
      mask: () => {},
      resumed: rest.resumed ?? false,
    } as Partial<JobContext> as JobContext;
    const specification = {
      host: SPEAKER.host,
      repository: { id: repository, owner: "o", name: "r", private: false },
      work: asked,
    } as Partial<MachineSpecification> as MachineSpecification;
    const verdict = await run(specification, context);
    const outcome = news.flatMap((one) => (one.kind === "deployed" ? [one.outcome] : []))[0];
    return { verdict, news, outcome, targets, machine, log, refusals };
  }

  const ALWAYS = () => {
    const { machines } = policyJson();
    return { machines: { ...machines, web: { ...machines.web, windows: null } } };
  };
  const signed = signedManifest(BUILDER.key, undefined, undefined, NEW);
  const toNew: Partial<DeployWork> = {
    action: { kind: "system", system: BUILDER.head.system, manifest: BUILDER.head },
  };

  it("tell steps, observations and the outcome, and have then done their work", async () => {
    const { verdict, news, outcome, targets, log } = await play(work(toNew));
    expect(verdict.kind).toBe("succeeded");
    expect(outcome).toMatchObject({ kind: "active", running: NEW });
    expect(news.map((one) => (one.kind === "step" ? one.step : one.kind))).toEqual([
      "connect",
      "observed",
      "begin",
      "space",
      "copy",
      "verify",
      "dry-activate",
      "activate",
      "confirm",
      "health",
      "commit",
      "read-back",
      "observed",
      "deployed",
    ]);
    expect(targets[0]).toMatchObject({ hostPublicKey: HOST_KEYS.web, program: "sent" });
    expect(log).toContain("web: active");
  });

  it("connect to nothing that the policy forbids, whoever signed it", async () => {
    const forbidden = await play(work(toNew), { repository: 8 });
    expect(forbidden.outcome).toMatchObject({ kind: "held", running: null });
    expect(forbidden.targets).toEqual([]);
    expect(forbidden.verdict.kind).toBe("succeeded");
    expect(forbidden.log).toContain("held");
    expect(forbidden.refusals).toEqual([expect.stringMatching(/^policy: .*names no machine web/u)]);
  });

  it("connect to nothing with a manifest that is not the builder's", async () => {
    const { outcome, targets, refusals } = await play(work(toNew), { text: signed.text });
    expect(refusals).toEqual([expect.stringMatching(/^manifest: the manifest is refused/u)]);
    expect(outcome).toMatchObject({ kind: "failed-untouched", step: "verify" });
    expect(targets).toEqual([]);
  });

  it("observe with the key that can do no more, and say of each machine why not", async () => {
    const { machines } = policyJson();
    const policy = {
      ...policyJson(),
      machines: { ...machines, web: { ...machines.web, observeIdentityFile: "/etc/look" } },
    };
    const stranger = { name: "other", hostKey: fingerprint(HOST_KEYS.other) };
    const { news, targets } = await play(
      { kind: "observe", machines: [WEB, stranger], connectSeconds: 1 },
      { policy },
    );
    expect(targets).toEqual([
      expect.objectContaining({ identityFile: "/etc/look", program: "installed" }),
    ]);
    expect(news).toEqual([
      expect.objectContaining({
        machine: stranger,
        result: { kind: "unreachable", why: expect.stringContaining("names no machine") },
      }),
      expect.objectContaining({
        machine: WEB,
        result: expect.objectContaining({ kind: "observation" }),
      }),
    ]);
  });

  it("tell local deploys once, with the next observation of their machine", async () => {
    const records = new LocalRecords(directory);
    const deploy = {
      counter: 5,
      at: 1_000,
      by: "ada as root",
      why: "GitHub is away",
      outcome: { kind: "active", system: NEW, generation: 2, notices: [], running: NEW },
    } as const;
    await records.keep(WEB.hostKey, { ...deploy, outcome: { ...deploy.outcome, notices: [] } });
    const observe = { kind: "observe", machines: [WEB], connectSeconds: 1 } as const;
    const first = await play({ ...observe, machines: [WEB] });
    expect(first.news).toEqual([expect.objectContaining({ local: [deploy] })]);
    const second = await play({ ...observe, machines: [WEB] });
    expect(second.news[0]).not.toHaveProperty("local");
  });

  it("see to its end what an earlier life began, outside the window too, and begin nothing", async () => {
    const policy = policyJson();
    const { outcome, machine } = await play(work(toNew), { policy, resumed: true });
    expect(outcome).toMatchObject({ kind: "failed-untouched", step: "begin", running: OLD });
    expect(machine.ran).toEqual([OLD]);
    // Its counter is used up: what was still on its way to the machine is refused.
    expect(await machine.begin({ counter: 5, expected: null, system: NEW })).toMatchObject({
      kind: "refused",
    });
  });
});
