import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publicKeyOf } from "../../../src/runner/enrolment/identity.ts";
import { checkManifest } from "../../../src/runner/deploy/manifest.ts";
import { describeIsolated } from "../isolation/support.ts";
import { fleets } from "./fleets.ts";
import { KEYS } from "./perform.ts";
import { machine, planning, unit } from "./systems.ts";

describeIsolated("a plan", () => {
  const { commits, evaluate, build, plan } = fleets(56_800);
  const planOf = planning(plan);

  test("says what changes, signs the closure, and executes nothing of it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "snowcat-plan-"));
    const trace = join(folder, "activated");
    const { base, head } = await commits(
      machine({
        "nginx.service": unit("/bin/sleep 1"),
        "same.service": unit("/bin/sleep 3"),
        "gone.service": unit("/bin/sleep 4"),
        "worded.service": unit("/bin/sleep 5"),
        "careful.service": unit("/bin/sleep 6", ""),
      }),
      machine(
        {
          "nginx.service": unit("/bin/sleep 2"),
          "same.service": unit("/bin/sleep 3"),
          "worded.service": unit("/bin/sleep 5").replace("=a", "=other words"),
          "careful.service": `${unit("/bin/sleep 7")}X-RestartIfChanged=false\n`,
          "app.service": unit("/bin/sleep 8\nExecStartPre=@start@"),
          "wiper.service": unit("/bin/rm -rf /var/lib/lnbits/extensions"),
        },
        { kernel: "6.12", activate: `echo done > ${trace}`, postgres: "15.2" },
      ),
    );
    const before = await evaluate(base);
    await build(base, before);
    const after = await evaluate(head);
    await build(head, after);
    const drv = after.get("web") ?? "";
    const first = await planOf(base, before.get("web") ?? "", null);
    const running = first.plans[0]?.manifest.system ?? null;
    const { plans, verdict, manifests } = await planOf(head, drv, running, [
      { when: "postgresql-15", says: "Dump the database before." },
    ]);
    expect(verdict).toEqual({ kind: "succeeded", reused: false });
    const [found] = plans;
    expect(found).toMatchObject({ machine: "web", running, reboot: true });
    expect(found?.units).toMatchObject({
      kind: "known",
      start: { units: ["app.service", "wiper.service"] },
      stop: { units: ["gone.service"] },
      restart: { units: ["nginx.service"] },
      reload: { count: 0 },
      left: { units: ["careful.service"] },
    });
    expect(found?.closure).toMatchObject({ kind: "known" });
    expect(found?.warnings.map(({ rule }) => rule)).toEqual([
      "configured",
      "destructive",
      "migration",
      "downgrade",
    ]);
    expect(found?.warnings[1]?.message).toContain("/var/lib/lnbits/extensions");
    expect(found?.warnings[2]?.message).toContain("alembic upgrade head");
    expect(existsSync(trace)).toBe(false);
    await rm(folder, { recursive: true });
    // A deploy runner that lists this builder believes it, for this machine and commit alone.
    const manifest = found!.manifest;
    const of = { host: "snowcat.example", repository: 7, sha: head.sha, machine: "web" };
    const text = manifests.get(manifest.digest) ?? "";
    const builders = [publicKeyOf(KEYS.privateKey)];
    expect(checkManifest(manifest, text, of, builders).kind).toBe("checked");
    expect(checkManifest(manifest, text, { ...of, machine: "db" }, builders).kind).toBe("refused");
  });

  test("of what is not built is none, and the job has not succeeded", async () => {
    const { base } = await commits(machine({ "a.service": unit("/bin/sleep 11") }), machine({}));
    const drvs = await evaluate(base);
    const { plans, verdict } = await planOf(base, drvs.get("web") ?? "", null);
    expect(plans).toEqual([]);
    expect(verdict).toMatchObject({
      kind: "infrastructure",
      message: "There is no plan for web: its system is not built on this runner",
    });
  });
});
