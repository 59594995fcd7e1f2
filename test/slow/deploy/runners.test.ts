import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MachineName, PlaneWorld } from "../../faults/plane/world.ts";
import { whyNoMachines } from "../../machines/lab.ts";

/** Several deploy runners of one account, each with machines of its own: what one builds another brings to its machine, or nobody. */

const OF = [["web1", "db1"], ["web2"]] as const;

/** The highest counter that the machine has accepted: 0 where no deploy ever began. */
async function counter(world: PlaneWorld, name: MachineName): Promise<string> {
  const read = "cat /var/lib/snowcat/counter 2>/dev/null || echo 0";
  return (await world.machine(name).shell("sh", "-c", read)).trim();
}

describe.skipIf(whyNoMachines() !== null).each([true, false])(
  "machines of several runners, with an exchange: %s",
  (exchange) => {
    let world: PlaneWorld;
    beforeAll(async () => {
      world = await PlaneWorld.open({ of: OF, exchange });
    }, 300_000);
    afterAll(async () => await world?.close());

    it("are deployed together only where what is built can reach both", async () => {
      const [project] = world.projects;
      const proposed = await world.propose(project, "both", ["web1", "web2"], { page: "Both" });
      const before = await world.machine("web2").truth();
      await proposed.talk.say(`/deploy tag:pair ${proposed.head}`, ["eyes", "+1"]);
      const told = await world.deployed(proposed);
      const [one, two] = [await world.machine("web1").truth(), await world.machine("web2").truth()];
      if (exchange) {
        expect(told).toMatchObject({ conclusion: "success", title: "2 of 2 machines active" });
        expect(two.running).not.toBe(before.running);
        expect(two.boots).toBe(two.running);
        expect(one.boots).toBe(one.running);
        expect(await counter(world, "web1")).toBe("1");
        return;
      }
      expect(told.conclusion).toBe("action_required");
      expect(`${told.title} ${told.text}`).toContain("an exchange that theirs share");
      expect(two.running).toBe(before.running);
      expect(await counter(world, "web1")).toBe("0");
      expect(await counter(world, "web2")).toBe("0");
    });

    it.skipIf(exchange)(
      "are deployed together when one runner's policy names both, which it is told while it runs",
      async () => {
        const [project] = world.projects;
        await world.name(0, ["web1", "web2", "db1"]);
        const proposed = await world.propose(project, "again", ["web1", "web2"], { page: "Again" });
        await proposed.talk.say(`/deploy tag:pair ${proposed.head}`, ["eyes", "+1"]);
        expect(await world.deployed(proposed)).toMatchObject({
          conclusion: "success",
          title: "2 of 2 machines active",
        });
      },
    );

    it("of one runner go to that one", async () => {
      const [, project] = world.projects;
      const proposed = await world.propose(project, "one", ["db1"], { page: "Alone" });
      await proposed.talk.say(`/deploy db1 ${proposed.head}`, ["eyes", "+1"]);
      expect(await world.deployed(proposed)).toMatchObject({ conclusion: "success" });
    });
  },
);
