import { expect, test } from "vitest";
import { clientOf, done, fault } from "../../machines/deploying.ts";
import { onMachines } from "../../machines/suite.ts";

const specs = {
  old: {
    packages: { hello: "1.0" },
    units: { "web.service": "[Service]\nType=oneshot\nExecStart=true\n" },
  },
  new: {
    packages: { hello: "2.0" },
    units: { "web.service": "[Service]\nType=oneshot\nExecStart=test -e /\n" },
  },
  third: { packages: { hello: "3.0" } },
};

onMachines("verbs of a machine", specs, (bench) => {
  test.each(["dash", "bash", "busybox"] as const)("a whole deploy, by %s", async (shell) => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old", { shell });
    const before = done(await client.observe());
    expect(before).toMatchObject({
      system: systems.old,
      booted: systems.old,
      profile: { number: 1, system: systems.old },
      failedUnits: [],
      counter: 0,
      unfinished: null,
      boot: null,
    });
    expect(before.nix.freeBytes).toBeGreaterThan(0);

    const one = deploy(3, "new");
    expect(done(await one.begin(systems.old))).toMatchObject({
      running: systems.old,
      failedUnits: [],
    });
    const { paths } = await one.manifest();
    const all = paths.map(({ path }) => path);
    expect(done(await client.missing({ paths: all })).toSorted()).toEqual(all.toSorted());
    done(await client.space({ counter: 3, nixBytes: 1, nixInodes: 1, bootBytes: 1 }));
    expect(done(await one.copy())).toMatchObject({ paths: all.length });
    expect(done(await one.verify())).toEqual({ paths: all.length, hashed: all.length });
    expect(done(await client.missing({ paths: all }))).toEqual([]);
    const words = ["printf", "%s|", "two words", "'\"$x`", "", "end\n"];
    expect(done(await client.command({ counter: 3, argv: words, timeoutSeconds: 10 }))).toEqual({
      exitCode: 0,
      log: "two words|'\"$x`||end\n|",
    });
    const dry = done(await client.dryActivate({ counter: 3, timeoutSeconds: 10 }));
    expect(dry).toEqual({ exitCode: 0, log: `would activate ${systems.new}\n` });
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });

    done(await one.start());
    expect(await one.reaches("activated")).toMatchObject({
      activation: 0,
      running: systems.new,
      boots: systems.old,
      newlyFailed: [],
      alive: true,
    });
    expect((await machine.truth()).boots).toBe(systems.old);
    const patience = { graceSeconds: 1, intervalSeconds: 1, timeoutSeconds: 10 };
    const unit = { kind: "unit" as const, unit: "web.service", ...patience };
    expect(done(await client.check({ check: unit, timeoutSeconds: 10 }))).toEqual({
      healthy: true,
      why: "",
    });
    const gone = { ...unit, unit: "gone.service" };
    expect(done(await client.check({ check: gone, timeoutSeconds: 10 }))).toMatchObject({
      healthy: false,
    });
    const command = {
      kind: "command" as const,
      argv: ["sh", "-c", "echo ill; exit 3"],
      ...patience,
    };
    expect(done(await client.check({ check: command, timeoutSeconds: 10 }))).toEqual({
      healthy: false,
      why: "exited with 3: ill\n",
    });
    expect(await one.confirmAndCommit()).toMatchObject({
      name: "committed",
      generation: 2,
      running: systems.new,
      boots: systems.new,
    });
    expect(done(await client.end({ counter: 3 }))).toMatchObject({ ended: true, alive: false });
    expect(await machine.truth()).toEqual({
      running: systems.new,
      booted: systems.old,
      profile: systems.new,
      boots: systems.new,
    });
    const after = done(await client.observe());
    expect(after).toMatchObject({ counter: 3, unfinished: null, profile: { number: 2 } });
    expect(after.generations.map(({ number }) => number)).toEqual([2, 1]);

    // Back to what it was, by its own generation: nothing is copied.
    const back = deploy(4, "old");
    done(await back.begin(systems.new));
    done(await client.reuse({ counter: 4 }));
    done(await back.start());
    await back.reaches("activated");
    expect(await back.confirmAndCommit()).toMatchObject({
      running: systems.old,
      boots: systems.old,
    });
    done(await client.end({ counter: 4 }));
  });

  test("what does not fit is refused, and changes nothing", async () => {
    const { systems, lab } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(5, "new");
    expect(fault(await one.begin(systems.new))).toMatchObject({ code: "moved" });
    expect(done(await client.observe()).counter).toBe(0);
    done(await one.begin(systems.old));
    expect(done(await client.observe()).unfinished).toMatchObject({ counter: 5, step: "begun" });
    // A number that was taken, an older one, one that nobody began.
    expect(fault(await one.begin())).toMatchObject({ code: "stale-counter" });
    expect(fault(await deploy(4, "third").begin())).toMatchObject({ code: "stale-counter" });
    expect(fault(await client.confirm({ counter: 4 }))).toMatchObject({ code: "stale-counter" });
    expect(fault(await client.confirm({ counter: 6 }))).toMatchObject({ code: "state" });
    // Neither verified nor a generation.
    expect(fault(await one.start())).toMatchObject({ code: "state" });
    expect(fault(await client.reuse({ counter: 5 }))).toMatchObject({ code: "not-prepared" });
    expect(fault(await client.dryActivate({ counter: 5, timeoutSeconds: 5 }))).toMatchObject({
      code: "state",
    });
    expect(fault(await client.confirm({ counter: 5 }))).toMatchObject({ code: "state" });
    expect(fault(await client.commit({ counter: 5 }))).toMatchObject({ code: "state" });
    expect(fault(await client.revert({ counter: 5, why: "never" }))).toMatchObject({
      code: "state",
    });
    const little = { counter: 5, nixBytes: 1, nixInodes: 1, bootBytes: 1 };
    expect(fault(await client.space({ ...little, nixBytes: 1e16 }))).toMatchObject({
      code: "no-space",
    });
    expect(fault(await client.space({ ...little, nixInodes: 1e12 }))).toMatchObject({
      code: "no-space",
    });
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });

    // A newer deploy takes it over from one that changed nothing; the older is told so at its next step.
    const two = deploy(6, "third");
    done(await two.begin());
    expect(fault(await one.copy())).toMatchObject({ code: "stale-counter" });
    expect(fault(await client.end({ counter: 5 }))).toMatchObject({ code: "stale-counter" });

    // One that has been activated keeps the machine until it is decided.
    await two.copy();
    done(await two.verify());
    done(await two.start());
    await two.reaches("activated");
    expect(fault(await deploy(7, "new").begin())).toMatchObject({ code: "busy" });
    expect(fault(await client.commit({ counter: 6 }))).toMatchObject({ code: "state" });
    expect(fault(await client.end({ counter: 6 }))).toMatchObject({ kind: "refused" });
    done(await client.revert({ counter: 6, why: "not\nhealthy 'at' all" }));
    expect(await two.reaches("reverted")).toMatchObject({
      running: systems.old,
      boots: systems.old,
      why: "not healthy 'at' all",
    });
    done(await client.end({ counter: 6 }));
    expect(fault(await client.confirm({ counter: 6 }))).toMatchObject({ code: "state" });

    // Somebody else changed the system between verification and activation.
    const three = deploy(8, "new");
    await three.prepare();
    await machine.shell("sh", "-c", `${systems.third}/bin/switch-to-configuration test`);
    expect(fault(await three.start())).toMatchObject({ code: "moved" });

    // Nobody answers for another key, nor to another one.
    const stranger = await lab.machine({ name: "stranger", system: systems.old });
    const wrong = await clientOf(
      lab,
      Object.assign(Object.create(stranger), {
        target: { ...stranger.target, hostPublicKey: machine.target.hostPublicKey },
      }),
    );
    expect(fault(await wrong.observe())).toMatchObject({ kind: "unreachable" });
    await wrong.close();
  });
});
