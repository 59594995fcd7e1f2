import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeployAction, HealthCheck, MachineOutcome } from "../../../src/protocol/machine.ts";
import type { ToolWork } from "../../../src/protocol/tool.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import { KropsSettings } from "../../../src/runner/deploy/methods/krops/settings.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import { ended } from "../../../src/runner/nix/launch.ts";
import { workOn } from "../../faults/deploy/deploying.ts";
import { type Lab, startLab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import { describeIsolated, isolationForTest } from "../../runner/isolation/support.ts";

/**
 * The example's fleet and its operator's overlay, on a machine behind ssh. Both stages are built by Nix and run in a job's
 * sandbox, whose only way leads to that machine; the machine builds of what it was sent by itself. In place of krops and
 * nixos-rebuild stand the example's small ones.
 */
const EXAMPLES = resolve(import.meta.dirname, "../../../nix/examples");
/** Of the machine's own folders; /var/src would be the host's. */
const SOURCES = "/var/lib/src";
const LIMITS = {
  copySeconds: 120,
  activationSeconds: 60,
  confirmationSeconds: 60,
  connectSeconds: 10,
};
const MINUTES = 5 * 60_000;
const execute = promisify(execFile);

const TOOL: Extract<ToolWork, { kind: "krops" }> = {
  kind: "krops",
  attribute: "machine1",
  build: { local: "build-local.nix", krops: "krops.nix" },
  dist: ["build/machine1/dist"],
  sources: [
    {
      from: "lnbits",
      to: `${SOURCES}/lnbits-src`,
      files: ["flake.nix", "flake.lock", "uv.lock"],
    },
  ],
  sentinel: `${SOURCES}/.populate`,
};

type Runner = Awaited<ReturnType<typeof isolationForTest>>;

describeIsolated("a machine by krops", () => {
  let lab: Lab;
  let runner: Runner;
  let folder: string;
  let machine: TestMachine;
  /** What it was installed with. */
  let first: string;
  let counter = 0;
  const there = (path: string): string => join(machine.place.directory, "var-lib/src", path);
  const overlay = (path: string): string => join(folder, "overlay", path);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "snowcat-krops-"));
    await cp(join(EXAMPLES, "fleet-overlay"), join(folder, "overlay"), { recursive: true });
    const text = await readFile(overlay("krops.nix"), "utf8");
    await writeFile(
      overlay("krops.nix"),
      text.replaceAll("deploy { name", `deploy { path = "${SOURCES}"; name`),
    );
    lab = await startLab();
    lab.env["PATH"] = `${lab.env["PATH"] ?? ""}:/root/bin`;
    [first = ""] = await lab.builder.expression(
      `(import ${EXAMPLES}/fleet/nix/system.nix { name = "machine1"; system = "x86_64-linux"; domain = "machine1.example.org"; page = "of before"; }).config.system.build.toplevel`,
    );
    // In namespaces of its own it cannot make those of a sandbox.
    lab.env["NIX_CONFIG"] = "sandbox = false";
    machine = await lab.machine({ name: "machine1", system: first });
    const bin = join(machine.place.directory, "root/bin");
    await mkdir(bin);
    await cp(join(EXAMPLES, "fleet/nix/nixos/nixos-rebuild.sh"), join(bin, "nixos-rebuild"));
    runner = await isolationForTest();
  }, MINUTES);
  afterAll(async () => {
    await runner.close();
    await lab.close();
    await rm(folder, { recursive: true });
  });

  async function deploy(
    how: { health?: HealthCheck[]; action?: DeployAction; files?: Record<string, string> } = {},
  ): Promise<{ outcome: MachineOutcome; log: string; steps: string[] }> {
    counter += 1;
    const one = await workOn(lab, machine.target, first, {
      counter,
      health: how.health ?? [],
      limits: LIMITS,
    });
    const { sha, ref } = one.work;
    const source = { cloneUrl: "https://git.test/fleet", ref, sha, tree: sha, revision: false };
    const log: string[] = [];
    const steps: string[] = [];
    const outcome = await deployOne(
      {
        connect: connectMachine,
        store: lab.builder.source,
        env: lab.env,
        clock: systemClock,
        tools: { isolation: runner.isolation, toolFolder: null },
      },
      {
        ...one,
        manifest: null,
        machine: {
          ...one.machine,
          krops: KropsSettings.parse({
            overlay: join(folder, "overlay"),
            hosts: ["machine1.example.org"],
          }),
        },
        work: {
          ...one.work,
          machine: { ...one.work.machine, name: "machine1" },
          method: "krops",
          tool: TOOL,
          source,
          action: how.action ?? { kind: "source", tree: sha },
        },
        layOut: async (workspace) => {
          const packed = await execute("tar", ["-C", join(EXAMPLES, "fleet"), "-c", "."], {
            encoding: "buffer",
            maxBuffer: 64 * 1_024 * 1_024,
          });
          const tree = `${workspace.directory}/tree`;
          const laid = await workspace.launch({
            argv: ["sh", "-c", 'mkdir "$1" && tar -C "$1" --no-same-owner -xf -', "sh", tree],
            network: "none",
            input: packed.stdout,
          });
          return ended(laid)
            ? { kind: "tree", tree }
            : { kind: "refused", why: new TextDecoder().decode(laid.stderr) };
        },
        signal: new AbortController().signal,
        seal: () => true,
        step: async (step) => void steps.push(step),
        observed: async () => {},
        say: (line) => void log.push(line),
      },
    );
    return { outcome, log: log.join("\n"), steps };
  }
  const hashOf = async (path: string): Promise<string> =>
    createHash("sha256")
      .update(await readFile(path))
      .digest("hex");

  test(
    "KRO-5: one that was not prepared is told so by name, and hears of nothing",
    async () => {
      const before = await machine.truth();
      const { outcome, log } = await deploy();
      expect(outcome, log).toMatchObject({
        kind: "not-prepared",
        missing: [expect.stringContaining(`${SOURCES}/.populate`)],
      });
      expect(await machine.truth()).toEqual(before);
      await mkdir(there(""), { recursive: true });
      await writeFile(there(".populate"), "");
    },
    MINUTES,
  );

  test(
    "KRO-1, KRO-6: builds of what it was sent, runs it, and its flake.lock is the one that was sent",
    async () => {
      const before = await machine.truth();
      const { outcome, log, steps } = await deploy();
      expect(outcome, log).toMatchObject({ kind: "active" });
      const after = await machine.truth();
      expect(after.running).not.toBe(before.running);
      expect(after).toMatchObject({ boots: after.running, profile: after.running });
      expect(steps).toEqual(
        expect.arrayContaining(["check", "build", "begin", "activate", "confirm"]),
      );
      expect(await hashOf(there("lnbits-src/flake.lock"))).toBe(
        await hashOf(overlay("lnbits/flake.lock")),
      );
      expect(await readFile(there("web-app-dist/index.html"), "utf8")).toContain("SITE=machine1");
      // KRO-11, KRO-12.
      expect(log).not.toContain("SITE=");
      expect(outcome).toMatchObject({
        notices: [expect.stringMatching(/^source lnbits: narHash sha256-/u)],
      });
    },
    MINUTES,
  );

  test(
    "KRO-8: one that is sick afterwards runs what it ran, of the sources that it had",
    async () => {
      const before = await machine.truth();
      const lock = await hashOf(there("lnbits-src/flake.lock"));
      await writeFile(overlay("lnbits/flake.lock"), '{ "version": 7, "nodes": { "sick": {} } }\n');
      const { outcome, log } = await deploy({
        health: [
          {
            kind: "unit",
            unit: "absent.service",
            graceSeconds: 1,
            intervalSeconds: 1,
            timeoutSeconds: 5,
          },
        ],
      });
      expect(outcome, log).toMatchObject({ kind: "rolled-back", step: "health" });
      expect(await machine.truth()).toMatchObject({
        running: before.running,
        boots: before.running,
        profile: before.running,
      });
      expect(await hashOf(there("lnbits-src/flake.lock"))).toBe(lock);
    },
    MINUTES,
  );

  test(
    "KRO-5: a rebuild whose exit code was lost in a pipe is no success",
    async () => {
      const before = await machine.truth();
      const program = join(machine.place.directory, "root/bin/nixos-rebuild");
      const real = await readFile(program, "utf8");
      await writeFile(
        program,
        "#!/bin/sh\n{ echo 'error: it does not evaluate' >&2; exit 1; } 2>&1 | cat\n",
      );
      const { outcome, log } = await deploy();
      await writeFile(program, real);
      expect(outcome, log).toMatchObject({ kind: "rolled-back", running: before.running });
      expect(await machine.truth()).toMatchObject({
        running: before.running,
        boots: before.running,
      });
    },
    MINUTES,
  );

  test(
    "KRO-8: the way back that somebody asks for brings the sources of then, then the generation",
    async () => {
      const before = await machine.truth();
      const lock = await hashOf(there("lnbits-src/flake.lock"));
      await writeFile(overlay("lnbits/flake.lock"), '{ "version": 7, "nodes": { "new": {} } }\n');
      const forward = await deploy();
      expect(forward.outcome, forward.log).toMatchObject({ kind: "active" });
      expect(await hashOf(there("lnbits-src/flake.lock"))).not.toBe(lock);
      // What lies beside the repository may be anything by now.
      await writeFile(overlay("lnbits/flake.lock"), '{ "version": 7, "nodes": { "today": {} } }\n');
      const { outcome, log } = await deploy({
        // The one before: what was taken back meanwhile is none.
        action: { kind: "generation", number: null, system: before.running },
      });
      expect(outcome, `${JSON.stringify(outcome)}\n${log}`).toMatchObject({
        kind: "active",
        system: before.running,
        notices: [],
      });
      expect(await machine.truth()).toMatchObject({
        running: before.running,
        boots: before.running,
      });
      expect(await hashOf(there("lnbits-src/flake.lock"))).toBe(lock);
    },
    MINUTES,
  );
});
