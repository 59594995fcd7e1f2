import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { PlanWork, Source } from "../../../src/protocol/specification.ts";
import { publicKeyOf } from "../../../src/runner/enrolment/identity.ts";
import { checkManifest } from "../../../src/runner/deploy/manifest.ts";
import { describeIsolated } from "../isolation/support.ts";
import { fleets } from "./fleets.ts";
import { KEYS, LIMITS } from "./perform.ts";

/** A machine in the shape of NixOS: units, an activation that would leave a trace, and what boots. */
const machine = (
  units: Record<string, string>,
  more: {
    kernel?: string;
    activate?: string;
    link?: string;
    postgres?: string;
    system?: string;
  } = {},
) => ({
  "units.json": JSON.stringify(units),
  "flake.nix": `{ outputs = { self }: let
    mk = name: script: attributes: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" script ]; } // attributes);
    postgres = mk "postgresql-${more.postgres ?? "16.4"}" "echo postgres > $out" { };
    start = mk "app-pre-start" ''printf '#!/bin/sh\\nalembic upgrade head\\n' > $out'' { };
    texts = builtins.fromJSON (builtins.readFile ./units.json);
    etc = mk "etc" ''
      mkdir -p $out/systemd/system/multi-user.target.wants
      cd $out/systemd/system
      \${builtins.concatStringsSep "\\n" (map (name: "echo '\${builtins.replaceStrings [ "@start@" ] [ "\${start}" ] texts.\${name}}' > \${name}; ln -s ../\${name} multi-user.target.wants/\${name}") (builtins.attrNames texts))}
      ${more.link === undefined ? "" : `ln -s ${more.link} linked.service`}
    '' { };
    kernel = mk "linux-${more.kernel ?? "6.6"}" "echo ${more.kernel ?? "6.6"} > $out" { };
    toplevel = mk "nixos-system-web-${more.system ?? "25.05"}" ''
      mkdir -p $out
      ln -s \${etc} $out/etc
      ln -s \${kernel} $out/kernel
      echo \${postgres} > $out/needs
      echo '${more.activate ?? "true"}' > $out/activate
      chmod +x $out/activate
    '' { };
  in { nixosConfigurations.web.config.system.build.toplevel = toplevel; }; }`,
});
const unit = (start: string, more = "") =>
  `[Unit]\nDescription=a\n${more}\n[Service]\nExecStart=${start}\n`;

const PLACES = { web: { selection: 0, path: ["nixosConfigurations", "web"] } };
const SELECTIONS: PlanWork["selections"] = [
  { kind: "flake", directory: ".", attributes: ["nixosConfigurations"], systems: null },
];

describeIsolated("a plan", () => {
  const { commits, evaluate, build, plan } = fleets(56_800);
  const planOf = (
    source: Source,
    drv: string,
    running: string | null,
    warn?: PlanWork["machines"][number]["warn"],
  ) =>
    plan({
      kind: "plan",
      source,
      selections: SELECTIONS,
      limits: LIMITS,
      machines: [{ name: "web", ...PLACES.web, drv, running, ...(warn ? { warn } : {}) }],
    });

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
