import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openCgroups } from "../../../src/runner/isolation/launcher/cgroup.ts";
import { resourceLimits } from "../../../src/runner/isolation/launcher/job-process.ts";
import type { NixForTest } from "../nix/support.ts";
import { flake, nixForTest } from "../nix/support.ts";
import { describeIsolated, err, isolationForTest, out } from "./support.ts";

describe("prlimit's options", () => {
  const limits = { memoryBytes: 1_000, processes: 20, openFiles: 30, fileBytes: 40 };
  test("memory and processes only where no cgroup holds them", () => {
    expect(resourceLimits(limits, false)).toEqual([
      "--core=0",
      "--nofile=30",
      "--fsize=40",
      "--as=1000",
      "--nproc=20",
    ]);
    expect(resourceLimits(limits, true)).toEqual(["--core=0", "--nofile=30", "--fsize=40"]);
    expect(resourceLimits({}, false)).toEqual(["--core=0"]);
  });
});

/** A folder laid out as a hierarchy. It is no cgroup file system: what is written stays as text. */
describe("cgroup v2, as far as files show it", () => {
  let mount: string;
  let own: string;
  beforeEach(async () => {
    mount = await mkdtemp(join(tmpdir(), "snowcat-cgroup-"));
    own = join(mount, "system.slice/snowcat.service");
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "cgroup.controllers"), "cpu memory pids\n");
    await writeFile(join(own, "cgroup.procs"), "4711\n");
  });
  afterEach(() => rm(mount, { recursive: true }));

  const hierarchies = () => ({
    mounts: `tmpfs /tmp tmpfs rw 0 0\ncgroup2 ${mount} cgroup2 rw 0 0\n`,
    membership: "0::/system.slice/snowcat.service\n",
  });
  const at = (...names: string[]) => readFile(join(own, ...names), "utf8");

  test("own processes move to a leaf, runs get a leaf each with their limits", async () => {
    const cgroups = await openCgroups("snowcat-x", hierarchies());
    if (cgroups.kind !== "v2") throw new Error(`not v2: ${JSON.stringify(cgroups)}`);
    // Processes live in leaves only: without this the kernel refuses the controllers below.
    expect(await at("snowcat-x-supervisor", "cgroup.procs")).toBe("4711");
    expect(await at("cgroup.subtree_control")).toBe("+memory +pids");
    expect(await at("snowcat-x", "cgroup.subtree_control")).toBe("+memory +pids");

    const run = await cgroups.create("run-1", { memoryBytes: 1_048_576, processes: 7 });
    expect(run.joinFiles).toEqual([join(own, "snowcat-x/run-1/cgroup.procs")]);
    expect(await at("snowcat-x/run-1/memory.max")).toBe("1048576");
    expect(await at("snowcat-x/run-1/memory.swap.max")).toBe("0");
    expect(await at("snowcat-x/run-1/pids.max")).toBe("7");
    const events = join(own, "snowcat-x/run-1/memory.events");
    await writeFile(events, "low 0\noom 1\noom_kill 0\n");
    expect(await run.outOfMemory()).toBe(false);
    await writeFile(events, "low 0\noom 3\noom_kill 2\n");
    expect(await run.outOfMemory()).toBe(true);
    expect(await run.peakBytes()).toBe(null);
    await writeFile(join(own, "snowcat-x/run-1/memory.peak"), "987654\n");
    expect(await run.peakBytes()).toBe(987_654);

    const free = await cgroups.create("run-2", {});
    await free.remove();
    await expect(stat(join(own, "snowcat-x/run-2"))).rejects.toThrow("ENOENT");
  });

  test("without the controllers it is none, and the reason says so", async () => {
    await writeFile(join(own, "cgroup.controllers"), "cpu\n");
    expect(await openCgroups("snowcat-x", hierarchies())).toEqual({
      kind: "none",
      reason: expect.stringContaining("no memory and pids controllers"),
    });
    expect(await openCgroups("snowcat-x", { mounts: "", membership: "" })).toEqual({
      kind: "none",
      reason: expect.stringMatching(/no cgroup v2 hierarchy; no cgroup v1 hierarchy for memory/u),
    });
  });
});

describeIsolated("limits by rlimits, where there are no cgroups", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(54_000, { cgroups: "off" });
  });
  afterAll(async () => {
    await nix?.close();
  });

  test("memory and processes are held, and it is said how", async () => {
    const place = await isolationForTest({ uidBase: 54_200, jobUsers: 2, cgroups: "off" });
    try {
      const { isolation } = place;
      expect(isolation.describe()).toContain("rlimits only (switched off by the configuration)");
      const eater = await isolation.run({
        argv: ["/bin/sh", "-c", 'x=$(head -c 400000000 /dev/zero | tr "\\0" x); echo survived'],
        limits: { memoryBytes: 256 << 20 },
      });
      expect(out(eater)).not.toContain("survived");
      expect(eater).toMatchObject({
        outOfMemory: false,
        peakBytes: null,
        enforcement: { memory: "address-space", processes: "none" },
      });
      const bomb = await isolation.run({
        argv: [
          "/bin/sh",
          "-c",
          "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done; echo all started",
        ],
        limits: { processes: 20 },
        timeoutMs: 20_000,
        graceMs: 0,
      });
      expect(err(bomb)).toMatch(/fork/i);
      expect(out(bomb)).not.toContain("all started");
      expect(bomb.enforcement.processes).toBe("per-user");
    } finally {
      await place.close();
    }
  });

  test("an evaluation that takes too much of the address space is told as that", async () => {
    const { byName } = await nix.check({
      ".github/snowcat.yml": "version: 1\nlimits:\n  evaluation_bytes: 536870912\n",
      "flake.nix": flake(`packages.x86_64-linux = {
        a = mk "a" "echo > $out" [];
        eats = let megabyte = builtins.concatStringsSep "" (builtins.genList (i: "0123456789") 100000); in
          mk "eats-\${toString (builtins.stringLength (builtins.concatStringsSep "" (builtins.genList (i: megabyte) 1000)))}" "" [];
        z = mk "z" "echo > $out" [];
      };`),
    });
    expect(byName.get("packages.x86_64-linux.eats")?.verdict).toMatchObject({
      kind: "evaluation-error",
      message: expect.stringContaining("more memory than the limit of 512 MiB"),
    });
    for (const name of ["a", "z"])
      expect(byName.get(`packages.x86_64-linux.${name}`)?.verdict.kind).toBe("succeeded");
  });
});
