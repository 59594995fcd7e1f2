import { expect, test } from "vitest";
import type { Deploy } from "../../machines/deploying.ts";
import { clientOf, done, fault } from "../../machines/deploying.ts";
import { until } from "../../machines/machine.ts";
import { onMachines } from "../../machines/suite.ts";

const failing = "[Service]\nType=oneshot\nExecStart=false\n";
const specs = {
  old: { packages: { hello: "1.0" } },
  new: { packages: { hello: "2.0" } },
  third: { packages: { hello: "3.0" } },
  // Tells that it is there, and goes on when it is let.
  slow: { onActivate: "touch /run/reached; while [ ! -e /run/go ]; do sleep 0.1; done" },
  // Not even TERM ends it, and part of it is in a process group of its own.
  stubborn: {
    onActivate: `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' & touch /run/reached; while :; do sleep 1; done`,
  },
  deaf: { network: false },
  sick: { units: { "new.service": failing } },
  ailing: { units: { "known.service": failing } },
  ailingToo: { units: { "known.service": failing }, packages: { hello: "4.0" } },
  unbootable: { onBoot: "echo no room left on /boot >&2; exit 1" },
  stuckBoot: { onBoot: "touch /run/reached; while :; do sleep 1; done" },
  another: { interface: "2" },
  heavy: { mebibytes: 64 },
};

onMachines("a machine in bad weather", specs, (bench) => {
  const reached = (machine: { shell(...argv: string[]): Promise<string> }) =>
    until("the activation is under way", () =>
      machine.shell("test", "-e", "/run/reached").then(
        () => true,
        () => false,
      ),
    );
  const backTo = async (one: Deploy, old: string, why: string) => {
    const state = await one.reaches("reverted", "revert-failed");
    expect(state).toMatchObject({ name: "reverted", running: old, boots: old, why });
    return state;
  };

  test("the link is cut during the activation, and comes back", async () => {
    const { systems } = bench();
    const { machine, deploy } = await bench().machine("old");
    const one = deploy(1, "slow");
    await one.prepare();
    done(await one.start());
    await reached(machine);
    const waiting = one.reaches("activated");
    await machine.linkDown();
    await machine.shell("touch", "/run/go");
    await until("it is active", async () => (await machine.truth()).running === systems.slow);
    await machine.linkUp();
    expect(await waiting).toMatchObject({ activation: 0, running: systems.slow });
    expect(await one.confirmAndCommit()).toMatchObject({ boots: systems.slow });
  });

  test("what went over a link that is cut is never said not to have begun", async () => {
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "new");
    await one.prepare();
    // Over the connection that is there: what is sent now may arrive, however late.
    done(await client.space({ counter: 1, nixBytes: 1, nixInodes: 1, bootBytes: 1 }));
    await machine.linkDown();
    expect(fault(await one.start())).toMatchObject({ kind: "lost" });
    // Over a new one nothing is sent before somebody answers.
    expect(fault(await client.confirm({ counter: 1 }))).toMatchObject({ kind: "unreachable" });
    await machine.linkUp();
  });

  test("the link stays cut after the activation: the machine goes back by itself", async () => {
    const { systems } = bench();
    const { machine, deploy } = await bench().machine("old");
    const one = deploy(1, "new", { confirmationSeconds: 4 });
    await one.run("activated");
    await machine.linkDown();
    await until(
      "it went back",
      async () => (await machine.truth()).running === systems.old,
      60_000,
    );
    await machine.linkUp();
    const state = await backTo(one, systems.old, "confirmation-limit");
    expect(state.activation).toBe(0);
  });

  test("a system that loses its network is taken back", async () => {
    const { systems } = bench();
    const { deploy } = await bench().machine("old");
    const one = deploy(1, "deaf", { confirmationSeconds: 4 });
    await one.prepare();
    await one.start();
    expect((await backTo(one, systems.old, "confirmation-limit")).activation).toBe(0);
  });

  test("an activation that hangs is ended with all it started, and taken back", async () => {
    const { systems } = bench();
    const { machine, deploy } = await bench().machine("old");
    const one = deploy(1, "stubborn", { activationSeconds: 3 });
    const state = await one.run("reverted");
    expect(state).toMatchObject({
      running: systems.old,
      why: "activation-limit",
      activation: null,
    });
    expect(machine.processes().filter(({ command }) => command.includes("trap"))).toEqual([]);
  });

  test("units that failed before are told from those that fail now", async () => {
    const { systems } = bench();
    const { client, deploy } = await bench().machine("ailing");
    expect(done(await client.observe()).failedUnits).toEqual(["known.service"]);
    const one = deploy(1, "ailingToo");
    expect(await one.run("activated")).toMatchObject({
      activation: 4,
      newlyFailed: [],
      stillFailed: ["known.service"],
    });
    expect(await one.confirmAndCommit()).toMatchObject({ running: systems.ailingToo });
    done(await client.end({ counter: 1 }));
    const two = deploy(2, "sick");
    expect(await two.run("activated")).toMatchObject({
      activation: 4,
      newlyFailed: ["new.service"],
      stillFailed: [],
    });
    done(await client.revert({ counter: 2, why: "new.service failed" }));
    expect(await backTo(two, systems.ailingToo, "new.service failed")).toMatchObject({
      newlyFailed: [],
    });
  });

  test("a unit has failed anew where none had failed before", async () => {
    const { deploy } = await bench().machine("old");
    expect(await deploy(1, "sick").run("activated")).toMatchObject({
      activation: 4,
      newlyFailed: ["new.service"],
      stillFailed: [],
    });
  });

  test("without systemd nothing is said of units", async () => {
    const { systems } = bench();
    const { client, deploy } = await bench().machine("old", { systemctl: false });
    expect(done(await client.observe()).failedUnits).toBeNull();
    const one = deploy(1, "new");
    expect(await one.run("activated")).toMatchObject({ activation: 0, newlyFailed: null });
    const patience = { graceSeconds: 1, intervalSeconds: 1, timeoutSeconds: 10 };
    const check = { kind: "unit" as const, unit: "web.service", ...patience };
    expect(done(await client.check({ check, timeoutSeconds: 10 })).healthy).toBe(false);
    expect((await one.confirmAndCommit()).running).toBe(systems.new);
  });

  test("two that begin at once: the machine is one's, whoever was first", async () => {
    const { lab } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const other = await clientOf(lab, machine);
    const [first, second] = await Promise.all([
      deploy(1, "new").begin(),
      other.begin({ counter: 2, expected: null, system: bench().systems.third }),
    ]);
    expect(second.kind).toBe("done");
    if (first.kind !== "done") expect(first).toMatchObject({ code: "stale-counter" });
    expect(done(await client.state())).toMatchObject({ counter: 2, new: bench().systems.third });
    expect(fault(await deploy(1, "new").copy())).toMatchObject({ code: "stale-counter" });
    await other.close();
  });

  test("a collection of garbage in the midst of it takes nothing away", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const collect = () => machine.shell("nix-store", "--gc");
    const one = deploy(1, "new");
    done(await one.begin());
    done(await one.copy());
    await collect();
    expect(done(await one.verify()).paths).toBeGreaterThan(1);
    done(await client.end({ counter: 1 }));
    // Given up: nothing keeps it any more.
    await collect();
    const { paths } = await one.manifest();
    expect(done(await client.missing({ paths: paths.map(({ path }) => path) }))).toContain(
      systems.new,
    );
    const two = deploy(2, "new");
    await two.run("activated");
    await collect();
    await machine.shell(
      "rm",
      "/nix/var/nix/profiles/system",
      "/nix/var/nix/profiles/system-1-link",
    );
    await collect();
    done(await client.revert({ counter: 2, why: "to look at" }));
    await two.reaches("reverted");
  });

  test("an init that does not fit runs after a reboot, as the profile says", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "another");
    expect(await one.run("activated")).toMatchObject({ activation: 100, running: systems.old });
    expect(await one.confirmAndCommit()).toMatchObject({
      running: systems.old,
      boots: systems.another,
    });
    done(await client.end({ counter: 1 }));
    await machine.powerCut();
    await machine.powerOn();
    expect(await machine.truth()).toMatchObject({
      running: systems.another,
      boots: systems.another,
    });
  });

  test("a boot entry that cannot be written leaves what booted before", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "unbootable");
    await one.run("activated");
    const state = await one.confirmAndCommit();
    expect(state).toMatchObject({
      name: "commit-failed",
      running: systems.unbootable,
      boots: systems.old,
    });
    expect(state.log).toContain("no room left on /boot");
    expect(await machine.truth()).toMatchObject({ profile: systems.old, boots: systems.old });
    done(await client.revert({ counter: 1, why: "it would not boot" }));
    await backTo(one, systems.old, "it would not boot");
  });

  test("power is cut before the boot entry, in it, and after it", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const again = async () => {
      await machine.powerCut();
      await machine.powerOn();
    };
    await deploy(1, "new").run("activated");
    await again();
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
    expect(done(await client.state())).toMatchObject({
      name: "activated",
      rebooted: true,
      alive: false,
      running: systems.old,
    });
    done(await client.end({ counter: 1 }));

    const two = deploy(2, "stuckBoot");
    await two.run("activated");
    done(await client.confirm({ counter: 2 }));
    done(await client.commit({ counter: 2 }));
    await reached(machine);
    expect(fault(await client.revert({ counter: 2, why: "too late" }))).toMatchObject({
      code: "busy",
    });
    await again();
    // The profile is ahead of the boot entry: what boots is the old one, and the profile is put back.
    expect(done(await client.state())).toMatchObject({
      name: "committing",
      rebooted: true,
      boots: systems.stuckBoot,
    });
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
    done(await client.revert({ counter: 2, why: "power" }));
    await backTo(two, systems.old, "power");
    expect((await machine.truth()).profile).toBe(systems.old);
    done(await client.end({ counter: 2 }));

    const three = deploy(3, "third");
    await three.run("activated");
    expect((await three.confirmAndCommit()).name).toBe("committed");
    await again();
    expect(await machine.truth()).toEqual({
      running: systems.third,
      booted: systems.third,
      profile: systems.third,
      boots: systems.third,
    });
  });

  test("sshd is killed in the copy; the machine stays as it is, and the next deploy may begin", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "heavy");
    done(await one.begin());
    const copying = one.copy();
    await until("it is being received", async () =>
      machine.processes().some(({ command }) => command.includes("--import")),
    );
    expect(machine.killSshd()).toBeGreaterThan(1);
    expect(["lost", "unreachable", "failed"]).toContain(fault(await copying).kind);
    await until("sshd is there again", async () => (await client.observe()).kind === "done");
    expect(done(await client.state())).toMatchObject({
      name: "begun",
      running: systems.old,
      alive: false,
    });
    done(await client.end({ counter: 1 }));
    expect((await deploy(2, "heavy").run("activated")).running).toBe(systems.heavy);
  });

  test("a copy whose link is cut without a word does not keep the next deploy out", async () => {
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "heavy");
    done(await one.begin());
    const copying = one.copy();
    await until("it is being received", async () =>
      machine.processes().some(({ command }) => command.includes("--import")),
    );
    // Nothing of the old connection arrives any more, neither data nor its end.
    await machine.linkDown();
    expect(fault(await copying)).toMatchObject({ kind: "lost" });
    await machine.linkUp();
    await until(
      "the machine is reached again",
      async () => (await client.observe()).kind === "done",
    );
    const two = deploy(2, "heavy");
    await two.prepare();
  });

  test("a full disk fails the copy, and nothing else", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old", { nixMebibytes: 32 });
    const one = deploy(1, "heavy");
    done(await one.begin());
    const space = { counter: 1, nixInodes: 1, bootBytes: 1 };
    expect(fault(await client.space({ ...space, nixBytes: 64 * 1024 * 1024 }))).toMatchObject({
      code: "no-space",
    });
    const failed = fault(await one.copy());
    expect(failed.kind).toBe("failed");
    expect(failed.kind === "failed" && failed.log).toMatch(/No space left|full/u);
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
    done(await client.end({ counter: 1 }));
    await deploy(2, "new").run("activated");
  });

  test("the watchdog is killed: whoever comes next may take the deploy back", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "new");
    await one.run("activated");
    for (const { pid, command } of machine.processes())
      if (command.includes("--part worker")) process.kill(pid, "SIGKILL");
    await until("it is gone", async () => done(await client.state())?.alive === false);
    expect(fault(await client.confirm({ counter: 1 }))).toMatchObject({ code: "state" });
    done(await client.revert({ counter: 1, why: "orphaned" }));
    await backTo(one, systems.old, "orphaned");
  });

  test("a runner that is gone changes nothing of what was begun; an old one is told so", async () => {
    const { lab, systems } = bench();
    const { machine, deploy } = await bench().machine("old");
    const stop = new AbortController();
    const dying = await clientOf(lab, machine, { signal: stop.signal });
    const one = deploy(1, "slow", { activationSeconds: 20, confirmationSeconds: 3 });
    await one.prepare();
    done(await one.start());
    const waiting = dying.wait({ counter: 1, until: ["activated"], seconds: 60 });
    await reached(machine);
    stop.abort();
    expect((await waiting).kind).not.toBe("done");
    await dying.close();
    await machine.shell("touch", "/run/go");
    await until(
      "it went back",
      async () => (await machine.truth()).running === systems.old,
      60_000,
    );
    await backTo(one, systems.old, "confirmation-limit");
    const two = deploy(2, "third");
    await two.run("activated");
    await two.confirmAndCommit();
    expect(fault(await one.client.confirm({ counter: 1 }))).toMatchObject({
      code: "stale-counter",
    });
    expect(fault(await one.client.commit({ counter: 1 }))).toMatchObject({ code: "stale-counter" });
    expect(fault(await one.client.revert({ counter: 1, why: "late" }))).toMatchObject({
      code: "stale-counter",
    });
    expect((await machine.truth()).running).toBe(systems.third);
  });
});
