import { generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOCAL_DEPLOYS, LocalDeploy } from "../../../src/protocol/machine.ts";
import { fingerprintOf } from "../../../src/runner/machine/index.ts";
import { LocalRecords } from "../../../src/runner/deploy/index.ts";
import {
  loadOrMakeKey,
  publicKeyOf,
  saveIdentity,
} from "../../../src/runner/enrolment/identity.ts";
import { World } from "../../faults/deploy/world.ts";
import { whyNoMachines } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";

/** Neither GitHub nor a control plane is anywhere near. */
describe.skipIf(whyNoMachines() !== null)("snowcat deploy --local", () => {
  let world: World;
  let machine: TestMachine;
  let config: string;
  let agent: string;
  let key: string;
  let policyFile: string;
  beforeAll(async () => {
    world = await World.open();
    machine = await world.machine();
    const directory = join(world.lab.directory, "runner");
    agent = join(directory, "agent");
    await mkdir(agent, { recursive: true });
    key = publicKeyOf(await loadOrMakeKey(agent));
    await saveIdentity(agent, {
      runner: "r1",
      host: "github.test",
      account: 1,
      pool: "deploy",
      class: "deploy",
      repositories: null,
      specificationKeys: [publicKeyOf(generateKeyPairSync("ed25519").privateKey)],
    });
    policyFile = join(directory, "policy.json");
    config = join(directory, "runner.json");
    await writeFile(
      config,
      JSON.stringify({
        url: "http://127.0.0.1:1",
        stateDirectory: directory,
        name: "deployer",
        isolation: "none",
        deployPolicy: policyFile,
      }),
    );
    await policy({});
  }, 120_000);
  afterAll(() => world.close(), 60_000);

  async function policy(changes: {
    builders?: unknown[];
    windows?: unknown[];
    methods?: string[];
  }): Promise<void> {
    const { address, hostPublicKey, identityFile } = machine.target;
    const { builders = [{ name: "myself", key }], ...rest } = changes;
    const web = {
      address,
      hostKey: hostPublicKey,
      identityFile,
      repositories: [{ host: "github.test", id: 1, machine: "web", refs: ["refs/heads/main"] }],
      ...rest,
    };
    await writeFile(policyFile, JSON.stringify({ machines: { web }, builders }));
  }

  /** The command as a person at the runner gives it; its store is the one that holds what was built. */
  async function snowcat(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const entry = join(import.meta.dirname, "../../../src/runner/main.ts");
    const { env, builder } = world.lab;
    const argv = [entry, "deploy", "--local", "--config", config, "web", "--json", ...args];
    const limits = ["--activation-seconds", "6", "--confirmation-seconds", "10"];
    return await new Promise((resolve) => {
      execFile(
        process.execPath,
        [...argv, ...limits],
        { env: { ...env, NIX_REMOTE: builder.source.url ?? "", SUDO_USER: "ada" } },
        (error, out, err) =>
          resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
      );
    });
  }

  it("refuses what its own policy does, and a reason that is not given", async () => {
    const to = ["--system", world.systems.good];
    expect(await snowcat(...to)).toMatchObject({ code: 64, err: expect.stringContaining("--why") });
    await policy({ builders: [] });
    const unlisted = await snowcat(...to, "--why", "x");
    expect(unlisted).toMatchObject({
      code: 69,
      err: expect.stringContaining("builder is not listed"),
    });
    const never = new Date(Date.now() + 12 * 3_600_000).toISOString().slice(11, 16);
    const end = new Date(Date.now() + 13 * 3_600_000).toISOString().slice(11, 16);
    const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    await policy({ windows: [{ days, from: never, to: end }] });
    const late = await snowcat(...to, "--why", "x");
    expect(late).toMatchObject({ code: 69, err: expect.stringContaining("--outside-windows") });
    expect((await machine.truth()).running).toBe(world.systems.old);
  }, 60_000);

  it("deploys, goes back, and keeps a record until it is told", async () => {
    await policy({});
    const there = await snowcat("--system", world.systems.good, "--why", "GitHub is away");
    expect(there.code, there.err).toBe(0);
    expect(LocalDeploy.parse(JSON.parse(there.out))).toMatchObject({
      counter: 1,
      why: "GitHub is away",
      by: expect.stringMatching(/^ada as /u),
      outcome: { kind: "active", running: world.systems.good },
    });
    expect(await machine.truth()).toMatchObject({
      running: world.systems.good,
      boots: world.systems.good,
    });
    // The way back is the machine's own, whatever tool its policy has for the way there.
    await policy({ methods: ["krops"] });
    const forth = await snowcat("--system", world.systems.good, "--why", "again");
    expect(forth).toMatchObject({ code: 69, err: expect.stringContaining("by krops only") });
    const back = await snowcat("--generation", "previous", "--why", "it was worse");
    expect(back.code, back.err).toBe(0);
    expect(await machine.truth()).toMatchObject({ running: world.systems.old });

    const hostKey = fingerprintOf(machine.target.hostPublicKey);
    if (hostKey === null) throw new Error("the machine has no host key");
    const { deploys } = await new LocalRecords(agent).of(hostKey, LOCAL_DEPLOYS);
    expect(deploys.map(({ counter, why }) => [counter, why])).toEqual([
      [1, "GitHub is away"],
      [2, "it was worse"],
    ]);
  }, 120_000);

  it("takes a sick one back, and says so with its exit code", async () => {
    await policy({});
    const sick = await snowcat("--system", world.systems.exit1, "--why", "a try");
    expect(sick.code).toBe(1);
    expect(JSON.parse(sick.out)).toMatchObject({ outcome: { kind: "rolled-back" } });
    expect((await machine.truth()).running).toBe(world.systems.old);
  }, 60_000);
});
