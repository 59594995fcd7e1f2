import { expect, test } from "vitest";
import { done, fault } from "../../machines/deploying.ts";
import { onMachines } from "../../machines/suite.ts";
import { Builder, FORGE } from "../../machines/systems.ts";

const specs = {
  old: { packages: { hello: "1.0" } },
  new: { packages: { hello: "2.0", world: "1.0" } },
};

onMachines("a closure that is not what was signed", specs, (bench) => {
  const forgedPath = (paths: readonly { path: string }[]) =>
    paths.find(({ path }) => path.endsWith("-hello-2.0"))?.path ?? "";

  test("a forged output of the same path, on the machine already, is found", async () => {
    const { systems } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "new");
    const path = forgedPath((await one.manifest()).paths);
    await machine.shell("sh", "-c", FORGE, "sh", path);
    done(await one.begin());
    // It is valid there, so it is not copied.
    expect(done(await one.copy()).paths).toBe((await one.manifest()).paths.length - 1);
    const refused = fault(await one.verify());
    expect(refused).toMatchObject({ kind: "refused", code: "forged" });
    expect(refused.why).toContain(path);
    expect(fault(await one.start())).toMatchObject({ code: "state" });
    done(await client.end({ counter: 1 }));
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
  });

  test("a forged output in the copy is found, and does not stay", async () => {
    const { lab, systems } = bench();
    const { client, deploy } = await bench().machine("old");
    const { paths } = await deploy(1, "new").manifest();
    const path = forgedPath(paths);
    // The store that a runner copies from, with one output that is not its builder's; the rest is built upon it.
    const forger = new Builder(`${lab.directory}/forger`, lab.env);
    await forger.build({ old: specs.old });
    await forger.forge(path);
    await forger.build(specs);

    const one = deploy(1, "new", { from: forger.source });
    done(await one.begin());
    done(await one.copy());
    const refused = fault(await one.verify());
    expect(refused).toMatchObject({ kind: "refused", code: "forged" });
    expect(refused.why).toContain(path);
    done(await client.end({ counter: 1 }));

    // What it brought is not taken for good by the next.
    const two = deploy(2, "new");
    done(await two.begin());
    expect(done(await two.copy()).paths).toBe(paths.length);
    done(await two.verify("all"));
    done(await two.start());
    await two.reaches("activated");
    expect((await two.confirmAndCommit()).running).toBe(systems.new);
  });

  test("bytes that changed on disk are found, and a manifest of something else", async () => {
    const { systems, lab } = bench();
    const { machine, client, deploy } = await bench().machine("old");
    const one = deploy(1, "new");
    const { paths, text, digest } = await one.manifest();
    const path = forgedPath(paths);
    const change = (to: string) => machine.shell("sh", "-c", `echo ${to} > ${path}/bin/hello`);
    done(await one.begin());
    done(await one.copy());
    await change("forged");
    expect(fault(await one.verify())).toMatchObject({ code: "forged" });

    // Here since an earlier deploy: found where all is hashed.
    done(await one.copy());
    done(await one.verify());
    done(await client.end({ counter: 1 }));
    await change("forged");
    const two = deploy(2, "new");
    done(await two.begin());
    expect(done(await two.copy()).paths).toBe(0);
    expect(fault(await two.verify("all"))).toMatchObject({ code: "forged" });

    const common = {
      counter: 2,
      system: systems.new,
      bytes: "copied",
      timeoutSeconds: 30,
    } as const;
    const other = await lab.builder.manifest(systems.old);
    const altered = text.replace(" sha256-", " sha256-A");
    expect(fault(await client.verify({ ...common, manifest: altered, digest }))).toMatchObject({
      code: "forged",
      why: expect.stringContaining("digest"),
    });
    expect(
      fault(await client.verify({ ...common, manifest: other.text, digest: other.digest })),
    ).toMatchObject({ code: "forged", why: "the manifest is of another system" });
  });
});
