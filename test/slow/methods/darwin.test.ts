import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import { connectMachine, type Machine } from "../../../src/runner/machine/index.ts";
import { workOn } from "../../faults/deploy/deploying.ts";
import { clientOf, Deploy, type DeployOptions, done, fault } from "../../machines/deploying.ts";
import { type Lab, startLab, whyNoMachines } from "../../machines/lab.ts";
import { type TestMachine, until } from "../../machines/machine.ts";

/**
 * There is no macOS here. What is tried is Snowcat's program in the shape that it takes there, by a machine on which everything
 * is missing that macOS lacks, and whose own programs know macOS's options only (test/machines/fixtures/darwin.nix).
 */
const SPECS = {
  old: {},
  new: { launchd: "417\t0\torg.nixos.nix-daemon\n" },
  // Unknown files in /etc: nix-darwin's checks end the activation before anything of it.
  refusing: { onActivate: "echo error: Unexpected files in /etc, aborting activation >&2; exit 2" },
  slow: { onActivate: "touch /run/reached; while :; do sleep 0.1; done" },
  // `launchctl load` exits with 0 whatever becomes of the daemon.
  sick: { launchd: "-\t78\torg.nixos.web\n417\t0\torg.nixos.nix-daemon\n" },
  deaf: { network: false },
};
type Name = keyof typeof SPECS;

const reason = whyNoMachines();
let lab: Lab;
let systems: Record<Name, string>;
const clients: Machine[] = [];
beforeAll(async () => {
  if (reason !== null) return;
  lab = await startLab();
  const file = join(import.meta.dirname, "../../machines/fixtures/darwin.nix");
  const specs = JSON.stringify(JSON.stringify(SPECS)).replaceAll("$", "\\$");
  const paths = await lab.builder.expression(`import ${file} { specs = ${specs}; }`);
  const names = Object.keys(SPECS).toSorted() as Name[];
  systems = Object.fromEntries(names.map((name, at) => [name, paths[at]])) as typeof systems;
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await (reason === null ? lab.close() : null);
});

let count = 0;
async function darwin() {
  count += 1;
  const machine = await lab.machine({
    name: `mac${count}`,
    system: systems.old,
    systemctl: false,
    shell: "bash",
  });
  const client = await clientOf(lab, machine);
  clients.push(client);
  const deploy = (counter: number, name: Name, options: Partial<DeployOptions> = {}) =>
    new Deploy(lab, client, { counter, system: systems[name], ...options });
  return { machine, client, deploy };
}
/** Programs that macOS has not were called, or with options that it does not know. */
const strange = (machine: TestMachine) =>
  machine.shell("sh", "-c", "cat /run/strange 2> /dev/null || true");

test.skipIf(reason !== null)("is deployed: activated, confirmed, then the profile", async () => {
  const { machine, client, deploy } = await darwin();
  expect(done(await client.observe())).toMatchObject({
    system: systems.old,
    failedUnits: [],
    boot: null,
  });
  const one = deploy(2, "new");
  await one.prepare();
  expect(done(await client.dryActivate({ counter: 2, timeoutSeconds: 5 }))).toMatchObject({
    exitCode: 0,
    log: expect.stringContaining("no dry activation") as string,
  });
  done(await one.start());
  expect((await one.reaches("activated")).running).toBe(systems.new);
  // Not before it is confirmed: `darwin-rebuild switch` sets the profile first.
  expect((await machine.truth()).profile).toBe(systems.old);
  expect(await one.confirmAndCommit()).toMatchObject({
    running: systems.new,
    boots: systems.new,
    generation: 2,
  });
  done(await client.end({ counter: 2 }));
  expect(fault(await deploy(1, "old").begin())).toMatchObject({ code: "stale-counter" });
  expect(done(await client.observe())).toMatchObject({
    profile: { number: 2, system: systems.new },
    counter: 2,
  });
  expect(
    done(await client.digest({ paths: [join(systems.new, "systemConfig"), "/none", systems.new] })),
  ).toMatchObject([
    { kind: "file", bytes: systems.new.length },
    { kind: "missing" },
    { kind: "folder", entries: 3 },
  ]);
  const unit = (label: string) => ({
    kind: "unit" as const,
    unit: label,
    graceSeconds: 1,
    intervalSeconds: 1,
    timeoutSeconds: 5,
  });
  expect(
    done(await client.check({ check: unit("org.nixos.nix-daemon"), timeoutSeconds: 5 })).healthy,
  ).toBe(true);
  expect(
    done(await client.check({ check: unit("org.nixos.none"), timeoutSeconds: 5 })).healthy,
  ).toBe(false);
  const slow = {
    kind: "command" as const,
    argv: ["sleep", "20"],
    graceSeconds: 1,
    intervalSeconds: 1,
    timeoutSeconds: 5,
  };
  expect(done(await client.check({ check: slow, timeoutSeconds: 1 })).healthy).toBe(false);
  const back = deploy(3, "old");
  done(await back.begin());
  done(await client.reuse({ counter: 3 }));
  done(await back.start());
  expect((await back.reaches("activated")).running).toBe(systems.old);
  expect(await back.confirmAndCommit()).toMatchObject({ boots: systems.old });
  expect(await strange(machine)).toBe("");
});

test.skipIf(reason !== null)(
  "an activation that its checks end, and a daemon that does not start",
  async () => {
    const { client, deploy } = await darwin();
    const one = deploy(1, "refusing");
    expect(await one.run("activated")).toMatchObject({ activation: 2, running: systems.old });
    done(await client.revert({ counter: 1, why: "exit 2" }));
    await one.reaches("reverted");
    done(await client.end({ counter: 1 }));
    const two = deploy(2, "sick");
    expect(await two.run("activated")).toMatchObject({
      activation: 0,
      newlyFailed: ["org.nixos.web"],
    });
    done(await client.revert({ counter: 2, why: "units" }));
    expect(await two.reaches("reverted")).toMatchObject({ running: systems.old, newlyFailed: [] });
  },
);

test.skipIf(reason !== null)(
  "the watchdog stops an activation that takes too long, and what it started",
  async () => {
    const { machine, deploy } = await darwin();
    const one = deploy(1, "slow", { activationSeconds: 3 });
    await one.prepare();
    done(await one.start());
    await until("the activation is under way", () =>
      machine.shell("test", "-e", "/run/reached").then(
        () => true,
        () => false,
      ),
    );
    machine.killSshd();
    expect(await one.reaches("reverted")).toMatchObject({
      running: systems.old,
      boots: systems.old,
      why: "activation-limit",
    });
    expect(machine.processes().filter(({ command }) => command.includes(systems.slow))).toEqual([]);
  },
);

test.skipIf(reason !== null)(
  "a system that takes the network away is taken back by the machine itself",
  async () => {
    const { deploy } = await darwin();
    const one = deploy(1, "deaf", { activationSeconds: 10, confirmationSeconds: 4 });
    await one.prepare();
    await one.start();
    expect(await one.reaches("reverted")).toMatchObject({
      running: systems.old,
      why: "confirmation-limit",
    });
  },
);

test.skipIf(reason !== null)("of two that begin together one has the machine", async () => {
  const { deploy } = await darwin();
  const ends = await Promise.all([
    deploy(1, "new").begin(),
    deploy(1, "old").begin(),
    deploy(2, "new").begin(),
  ]);
  expect(ends.filter(({ kind }) => kind === "done").length).toBeGreaterThan(0);
  expect(fault(await deploy(2, "old").begin())).toMatchObject({ code: "stale-counter" });
});

test.skipIf(reason !== null)(
  "by the engine, as its method: a daemon that fails takes it back",
  async () => {
    const { machine } = await darwin();
    const limits = {
      connectSeconds: 10,
      copySeconds: 60,
      activationSeconds: 30,
      confirmationSeconds: 30,
    };
    const log: string[] = [];
    const deployed = async (counter: number, name: Name) => {
      const one = await workOn(lab, machine.target, systems[name], { counter, limits });
      const { sha, ref } = one.work;
      const source = { cloneUrl: "https://git.test/macs", ref, sha, tree: sha, revision: false };
      const tool = { kind: "darwin", directory: ".", configuration: "mac" } as const;
      return await deployOne(
        { connect: connectMachine, store: lab.builder.source, env: lab.env, clock: systemClock },
        {
          ...one,
          work: { ...one.work, method: "darwin", tool, source },
          signal: new AbortController().signal,
          seal: () => true,
          step: async () => {},
          observed: async () => {},
          say: (line) => void log.push(line),
        },
      );
    };
    expect(await deployed(1, "new"), log.join("\n")).toMatchObject({
      kind: "active",
      system: systems.new,
      generation: 2,
    });
    expect(log.join("\n")).toContain(
      "dry-activate, as far as it goes: nix-darwin has no dry activation",
    );
    expect(await deployed(2, "sick")).toMatchObject({
      kind: "rolled-back",
      step: "activate",
      failedUnits: ["org.nixos.web"],
      running: systems.new,
    });
    expect(await deployed(3, "refusing")).toMatchObject({
      kind: "rolled-back",
      step: "activate",
      running: systems.new,
    });
    expect((await machine.truth()).profile).toBe(systems.new);
    expect(await strange(machine)).toBe("");
  },
);
