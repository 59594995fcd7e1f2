import { expect, test } from "vitest";
import { posix } from "node:path";
import { describeIsolated, isolationForTest } from "../../runner/isolation/support.ts";
import { fleet, fleets } from "../../runner/jobs/fleets.ts";

describeIsolated("how machines differ from the base's, the long way round", () => {
  const { commits, evaluate, impact, read, port } = fleets(55_700);

  test("names the machines of an inventory; one that is none of clan's changes nothing but a warning", async () => {
    const inventory = (machines: string) =>
      fleet("5.0", { broken: `clan.inventory.machines = ${machines};` });
    const { base, head } = await commits(
      inventory(
        '{ web = { tags = [ "a" 7 ]; machineClass = "darwin"; deploy.targetHost = "root@web"; }; "x.y" = { tags = _: 1; deploy = throw "odd"; hold = throw "odd"; }; db = { tags = [ "data" ]; deploy.requireExplicitUpdate = true; hold = "the disk"; }; }; clan.inventory.instances = { site.roles = { server.tags = [ "a" ]; client = { tags.all = { }; }; }; disk.roles.backup.machines.db = { }; odd = 7; }',
      ),
      inventory('throw "no inventory"'),
    );
    const good = await read(base);
    expect(good.evaluated?.inventory).toEqual([
      {
        selection: 0,
        machine: "db",
        class: "nixos",
        tags: ["data"],
        roles: ["backup", "client"],
        targetHost: null,
        explicit: true,
        hold: "the disk",
      },
      {
        selection: 0,
        machine: "web",
        class: "darwin",
        tags: ["a"],
        roles: ["client", "server"],
        targetHost: "root@web",
        explicit: false,
        hold: null,
      },
      {
        selection: 0,
        machine: "x.y",
        class: "nixos",
        tags: [],
        roles: ["client"],
        targetHost: null,
        explicit: false,
        hold: "why it is held cannot be evaluated",
      },
    ]);
    const bad = await read(head);
    expect(bad.verdict.kind).toBe("succeeded");
    expect(bad.attributes).toHaveLength(3);
    expect(bad.evaluated?.warnings.join()).toContain("clan's inventory cannot be read");
    expect(bad.evaluated?.inventory).toBeUndefined();
  });

  test("is told by derivation alone where outputs are not there, by evaluating again where the store has nothing", async () => {
    const { base, head } = await commits(fleet("2.0"), fleet("2.1"));
    const [before, after] = [await evaluate(base), await evaluate(head)];
    const here = await impact(base, head, before, after, ["web"]);
    expect(here.impact[0]).toMatchObject({
      derivation: { kind: "known", changed: 1 },
      closure: { kind: "unknown", why: "the machine is not built on this runner" },
    });
    // Another runner has neither derivation.
    const other = await isolationForTest({ uidBase: 55_800, egress: [`127.0.0.1:${port()}`] });
    try {
      const there = await impact(base, head, before, after, ["web"], other.isolation);
      expect(there.log).toContain("evaluating them again");
      expect(there.impact).toEqual(here.impact);
    } finally {
      await other.close();
    }
  });

  test("is none but the revision in a folder too, where older Nix knows no `dir` in a path's address", async () => {
    const directory = "infra";
    const reads = { revision: "self.rev + toString self.lastModified" };
    const inside = (files: Record<string, string>) =>
      Object.fromEntries(
        Object.entries(files).map(([name, text]) => [posix.join(directory, name), text]),
      );
    const { base, head, committedAt } = await commits(
      inside(fleet("4.0", reads)),
      inside(fleet("4.1", reads)),
      true,
    );
    const [before, after] = [await evaluate(base, directory), await evaluate(head, directory)];
    expect(after.get("marked")).not.toBe(before.get("marked"));
    const shown = (sha: string) =>
      evaluate(
        { ...base, revision: false, shownAs: { sha, lastModified: committedAt } },
        directory,
      );
    const under = await shown(head.sha);
    expect(under.get("marked")).toBe(after.get("marked"));
    expect(under.get("web")).toBe(before.get("web"));
    expect(under.get("web")).not.toBe(after.get("web"));
    // Another revision is another one: nothing is called the same that is not.
    expect((await shown("5".repeat(40))).get("marked")).not.toBe(after.get("marked"));
  });
});
