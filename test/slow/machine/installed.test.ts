import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MACHINE_PROGRAM } from "../../../src/runner/machine/index.ts";
import { clientOf, done, fault } from "../../machines/deploying.ts";
import { onMachines } from "../../machines/suite.ts";

const specs = { old: { packages: { hello: "1.0" } }, new: { packages: { hello: "2.0" } } };

onMachines("a machine that has the program as a forced command", specs, (bench) => {
  const installed = async () => {
    const file = join(bench().lab.directory, "snowcat-machine");
    await writeFile(file, MACHINE_PROGRAM);
    await chmod(file, 0o755);
    return file;
  };

  test("is deployed as any other, and has no shell for the key", async () => {
    const { systems } = bench();
    const { machine, deploy } = await bench().machine("old", { forced: await installed() });
    const one = deploy(1, "new");
    await one.run("activated");
    expect(await one.confirmAndCommit()).toMatchObject({
      running: systems.new,
      boots: systems.new,
    });
    // The detached part ran from the machine's own copy.
    expect(await machine.shell("head", "-n", "1", "/var/lib/snowcat/program")).toBe("#!/bin/sh\n");
  });

  test("answers a key that may only look nothing else", async () => {
    const { systems } = bench();
    const forced = `${await installed()} --only observe`;
    const { client, deploy } = await bench().machine("old", { forced });
    expect(done(await client.observe()).system).toBe(systems.old);
    expect(fault(await deploy(1, "new").begin())).toMatchObject({
      code: "bad-request",
      why: "this key may only observe",
    });
    expect(done(await client.observe()).counter).toBe(0);
  });

  test("is found out where the policy says that the program is sent", async () => {
    const { systems, lab } = bench();
    const forced = `${await installed()} --only observe`;
    const { machine } = await bench().machine("old", { forced });
    const client = await clientOf(lab, {
      target: { ...machine.target, program: "sent" },
    });
    expect(done(await client.observe()).system).toBe(systems.old);
    expect(done(await client.observe()).counter).toBe(0);
    expect(fault(await client.state())).toMatchObject({ why: "this key may only observe" });
    await client.close();
  });
});
