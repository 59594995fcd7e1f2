import { expect, test } from "vitest";
import { describeIsolated } from "../../runner/isolation/support.ts";
import { fleets } from "../../runner/jobs/fleets.ts";
import { machine, planning, unit } from "../../runner/jobs/systems.ts";

describeIsolated("a plan of what cannot be compared", () => {
  const { commits, evaluate, build, plan } = fleets(57_000);
  const planOf = planning(plan);

  test("without an observation, or with one of a system that is not here, says so and has its manifest", async () => {
    const { base } = await commits(machine({ "a.service": unit("/bin/sleep 10") }), machine({}));
    const drvs = await evaluate(base);
    await build(base, drvs);
    const never = await planOf(base, drvs.get("web") ?? "", null);
    expect(never.plans[0]).toMatchObject({
      running: null,
      reboot: null,
      closure: { kind: "unknown", why: "the machine was never observed" },
    });
    const absent = await planOf(base, drvs.get("web") ?? "", `/nix/store/${"0".repeat(32)}-gone`);
    expect(absent.plans[0]).toMatchObject({
      units: { kind: "unknown", why: "what the machine runs is not in this runner's store" },
    });
    expect(absent.plans[0]?.manifest).toEqual(never.plans[0]?.manifest);
  });

  test("finds nothing of the runner behind a link", async () => {
    const { base, head } = await commits(
      machine({ "a.service": unit("/bin/sleep 12") }),
      machine({ "a.service": unit("/bin/sleep 12") }, { link: "/etc/shadow" }),
    );
    const before = await evaluate(base);
    await build(base, before);
    const after = await evaluate(head);
    await build(head, after);
    const first = await planOf(base, before.get("web") ?? "", null);
    const running = first.plans[0]?.manifest.system ?? null;
    const { plans, log } = await planOf(head, after.get("web") ?? "", running);
    expect(plans[0]?.units.kind).toBe("unknown");
    expect(plans[0]?.closure.kind).toBe("known");
    expect(JSON.stringify(plans) + log).not.toContain("root:");
  });
});
