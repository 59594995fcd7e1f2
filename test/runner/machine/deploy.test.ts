import { expect, test } from "vitest";
import { done, fault } from "../../machines/deploying.ts";
import { onMachines } from "../../machines/suite.ts";

const specs = { old: { packages: { hello: "1.0" } }, new: { packages: { hello: "2.0" } } };

// Of what test/slow/machine tries, the whole way.
onMachines("a machine", specs, (bench) => {
  test("is deployed, and an older number is refused", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(2, "new");
    expect((await one.run("activated")).running).toBe(systems.new);
    expect((await machine.truth()).boots).toBe(systems.old);
    expect(await one.confirmAndCommit()).toMatchObject({
      running: systems.new,
      boots: systems.new,
    });
    done(await client.end({ counter: 2 }));
    expect(fault(await deploy(1, "old").begin())).toMatchObject({ code: "stale-counter" });
  });
});
