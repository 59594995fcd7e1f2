import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIsolated, hostProcesses, until } from "../isolation/support.ts";
import { buildAllIn, instantiateIn } from "../nix/building.ts";
import { limitedRunner, MEBIBYTE } from "./limited.ts";

const BUILDS = {
  memoryBytes: 256 * MEBIBYTE,
  allMemoryBytes: 2_048 * MEBIBYTE,
  processes: 96,
  freeBytes: 256 * MEBIBYTE,
  logBytes: 2 * MEBIBYTE,
};
const DISK = BUILDS.freeBytes + 160 * MEBIBYTE;
/** Sleeping this long (s) marks a process as one of ours. */
const SECONDS = 86_391;

describeIsolated("limits of builds", () => {
  let nix: Awaited<ReturnType<typeof limitedRunner>>;
  beforeAll(async () => {
    nix = await limitedRunner(54_400, DISK, BUILDS);
  });
  afterAll(async () => {
    await nix?.close();
  });

  test("memory, disk, processes and log: each build that takes more is ended with a verdict that says so, and its neighbour is fine", async () => {
    const scripts = {
      // What is left of it does not go on without what was killed.
      "eats-memory": `sleep ${SECONDS} & (x=aaaaaaaa; while :; do x=$x$x; done); sleep ${SECONDS}`,
      // The kernel's victim is a child, and what is left ends by itself before anybody looks.
      "loses-a-child": "(x=aaaaaaaa; while :; do x=$x$x; done); exit 1",
      "fills-disk": `i=0; while :; do dd if=/dev/zero of=f$i bs=1M count=4 2>&1; i=$((i+1)); sleep 0.02; done`,
      "makes-processes": `i=0; while [ $i -lt 400 ]; do sleep ${SECONDS} & i=$((i+1)); done; echo > $out`,
      prints: `yes ${"x".repeat(200)}`,
      neighbour: "echo begun; sleep 5; echo fine; echo > $out",
    };
    const set = Object.entries(scripts).map(
      ([name, script]) => `"${name}" = mk "${name}" ${JSON.stringify(script)} [];`,
    );
    const drvs = await instantiateIn(nix, `{ ${set.join("\n")} }`);
    const { verdicts } = await buildAllIn(nix, drvs, { slots: 6 });
    const verdict = (name: keyof typeof scripts) => verdicts.get(name)?.verdict;
    expect(verdict("eats-memory")).toMatchObject({
      kind: "out-of-memory",
      limitBytes: BUILDS.memoryBytes,
      logTail: expect.stringContaining("more than 0.25 GiB of memory"),
    });
    expect(verdict("loses-a-child")).toMatchObject({
      kind: "out-of-memory",
      limitBytes: BUILDS.memoryBytes,
    });
    expect(verdict("fills-disk")).toMatchObject({
      kind: "out-of-disk",
      logTail: expect.stringMatching(/less than 0\.25 GiB was left[^\n]*had written most/u),
    });
    expect(JSON.stringify(verdict("fills-disk"))).not.toContain("No space left");
    expect(verdict("makes-processes")).toMatchObject({
      kind: "failed",
      logTail: expect.stringContaining("can't fork"),
    });
    expect(verdict("prints")).toMatchObject({
      kind: "failed",
      logTail: expect.stringContaining("killed after writing more than 2097152 bytes"),
    });
    expect(verdict("neighbour")).toEqual({ kind: "succeeded", reused: false });
    await until("nothing of them runs any more", async () =>
      (await hostProcesses()).every(({ command }) => !command.includes(`sleep\0${SECONDS}`)),
    );
    expect(await readdir(join(nix.state, "builds"))).toEqual([]);
  });
});
