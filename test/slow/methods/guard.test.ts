import { expect, test } from "vitest";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import { workOn } from "../../faults/deploy/deploying.ts";
import { done, fault } from "../../machines/deploying.ts";
import { until } from "../../machines/machine.ts";
import { onMachines, type BenchMachine } from "../../machines/suite.ts";

const specs = {
  old: { packages: { hello: "1.0" } },
  new: { packages: { hello: "2.0" } },
};
const LIMITS = { activationSeconds: 60, confirmationSeconds: 60 };
const PROFILE = "/nix/var/nix/profiles/system";

onMachines("a machine that a tool changes", specs, (bench) => {
  const guarded = async (system: "new" | null, limits = LIMITS) => {
    const one = await bench().machine("old");
    const deploy = one.deploy(1, "new");
    if (system === null) {
      // What a source is to bring comes there some other way: a machine that builds has it by building.
      done(await one.client.begin({ counter: 1, expected: null, system: bench().systems.new }));
      done(await deploy.copy());
      done(await one.client.end({ counter: 1 }));
      done(await one.client.begin({ counter: 2, expected: null, system: null }));
    } else {
      await deploy.prepare();
    }
    const counter = system === null ? 2 : 1;
    expect(done(await one.client.guard({ counter, ...limits }))).toMatchObject({
      name: "activating",
      guarded: true,
      alive: true,
    });
    return { ...one, one: deploy, counter };
  };
  const tool = async ({ machine }: BenchMachine<"old" | "new">, ...actions: string[]) => {
    const { systems } = bench();
    for (const action of actions)
      await (action === "profile"
        ? machine.shell("nix-env", "-p", PROFILE, "--set", systems.new)
        : machine.shell(`${systems.new}/bin/switch-to-configuration`, action));
  };

  test("a tool that sets everything by itself is confirmed and committed", async () => {
    const { systems } = bench();
    const at = await guarded("new");
    await tool(at, "profile", "switch");
    done(await at.client.activated({ counter: 1, exitCode: 0 }));
    expect(await at.one.reaches("activated")).toMatchObject({
      running: systems.new,
      activation: 0,
    });
    expect(await at.one.confirmAndCommit()).toMatchObject({ name: "committed", generation: 2 });
    expect(await at.machine.truth()).toMatchObject({ running: systems.new, boots: systems.new });
  });

  test("unheard of, system, profile and boot entry go back", async () => {
    const { systems } = bench();
    const at = await guarded("new", { activationSeconds: 4, confirmationSeconds: 4 });
    await tool(at, "profile", "switch");
    const state = await at.one.reaches("reverted", "revert-failed");
    expect(state).toMatchObject({ name: "reverted", why: "activation-limit" });
    const truth = await at.machine.truth();
    expect(truth).toMatchObject({ running: systems.old, boots: systems.old });
    expect((await at.machine.shell("cat", "/boot/entry")).trim()).toBe(systems.old);
    // "The generation before" must never mean what was taken back.
    expect(done(await at.client.observe()).generations.map(({ system }) => system)).toEqual([
      systems.old,
    ]);
  });

  test("an activation that its tool left behind is ended before the machine goes back", async () => {
    const { systems } = bench();
    const at = await guarded("new");
    // As NixOS's takes it: no child has the lock. It ends for nobody's word.
    const stuck = `$SIG{TERM} = "IGNORE"; mkdir "/run/nixos"; open(my $lock, ">", "/run/nixos/switch-to-configuration.lock") or die;
      flock($lock, 2) or die; system("ln -sfn ${systems.new} /run/current-system; touch /run/child; trap : TERM; while :; do sleep 1; done");`;
    await at.machine.shell(
      "sh",
      "-c",
      'setsid perl -e "$1" > /dev/null 2>&1 < /dev/null &',
      "sh",
      stuck,
    );
    await until("it is stuck", () =>
      at.machine.shell("test", "-e", "/run/child").then(
        () => true,
        () => false,
      ),
    );
    done(await at.client.revert({ counter: 1, why: "the tool is gone" }));
    const state = await at.one.reaches("reverted", "revert-failed");
    expect(state, state.log).toMatchObject({ name: "reverted", running: systems.old });
    expect(state.log).toContain("ended what was activating a system here");
    await at.machine.shell("flock", "-n", "/run/nixos/switch-to-configuration.lock", "true");
  });

  test("a runner's next life has a machine that it finds guarded go back at once", async () => {
    const { systems, lab } = bench();
    const at = await guarded("new", { activationSeconds: 600, confirmationSeconds: 600 });
    await tool(at, "profile", "switch");
    const began = performance.now();
    const one = await workOn(lab, at.machine.target, systems.new, {
      limits: { connectSeconds: 10, activationSeconds: 600, confirmationSeconds: 600 },
    });
    const outcome = await deployOne(
      { connect: connectMachine, store: lab.builder.source, env: lab.env, clock: systemClock },
      {
        ...one,
        signal: new AbortController().signal,
        seal: () => true,
        resumed: true,
        step: async () => {},
        observed: async () => {},
        say: () => {},
      },
    );
    expect(outcome).toMatchObject({
      kind: "rolled-back",
      why: expect.stringContaining("while the tool was at it") as string,
      running: systems.old,
    });
    expect(await at.machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
    expect(performance.now() - began).toBeLessThan(120_000);
    expect(fault(await at.client.activated({ counter: 1, exitCode: 0 }))).toMatchObject({
      code: "state",
    });
  });

  test("a source's system is known when it runs", async () => {
    const { systems } = bench();
    const at = await guarded(null);
    expect(done(await at.client.state())).toMatchObject({ new: null });
    await tool(at, "test");
    expect(done(await at.client.activated({ counter: 2, exitCode: 0 }))).toMatchObject({
      new: systems.new,
    });
    const { state } = done(await at.client.wait({ counter: 2, until: ["activated"], seconds: 60 }));
    expect(state).toMatchObject({ name: "activated", new: systems.new, running: systems.new });
    done(await at.client.confirm({ counter: 2 }));
    done(await at.client.commit({ counter: 2 }));
    const committed = done(
      await at.client.wait({ counter: 2, until: ["committed", "commit-failed"], seconds: 60 }),
    );
    expect(committed.state).toMatchObject({ name: "committed", boots: systems.new });
  });

  test("a machine that was passed over is let go as it was, and only then", async () => {
    const at = await guarded("new");
    expect(done(await at.client.unguard({ counter: 1 }))).toMatchObject({
      name: "verified",
      guarded: false,
    });
    done(await at.client.end({ counter: 1 }));
    expect(await at.machine.truth()).toMatchObject({ running: bench().systems.old });

    const other = await guarded("new");
    await tool(other, "profile");
    expect(fault(await other.client.unguard({ counter: 1 }))).toMatchObject({ code: "moved" });
    done(await other.client.revert({ counter: 1, why: "the tool lied" }));
    expect(await other.one.reaches("reverted")).toMatchObject({ boots: bench().systems.old });
  });

  test("files and folders are looked at by hash", async () => {
    const { machine, client } = await bench().machine("old");
    await machine.shell("sh", "-c", "mkdir -p '/srv/a b' && printf hello > '/srv/a b/x'");
    const seen = done(
      await client.digest({ paths: ["/srv/a b/x", "/srv/a b", "/srv/none", "/dev/null"] }),
    );
    expect(seen).toEqual([
      {
        kind: "file",
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        bytes: 5,
      },
      { kind: "folder", entries: 1 },
      { kind: "missing" },
      { kind: "other" },
    ]);
  });
});
