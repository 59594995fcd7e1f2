import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { VerdictKind } from "../../../src/protocol/verdict.ts";
import { limitedRunner, MEBIBYTE } from "../../runner/examples/limited.ts";
import { describeIsolated, hostProcesses, until } from "../../runner/isolation/support.ts";
import { buildAllIn, instantiateIn } from "../../runner/nix/building.ts";

/** Builds that go all out, against the limits that builds have here; each beside a neighbour that comes to no harm. */

const BUILDS = {
  memoryBytes: 768 * MEBIBYTE,
  allMemoryBytes: 1_024 * MEBIBYTE,
  processes: 256,
  freeBytes: 512 * MEBIBYTE,
  logBytes: 64 * MEBIBYTE,
};
const DISK = 1_024 * MEBIBYTE;
/** Sleeping this long (s) marks a process as one of ours. */
const SECONDS = 86_389;

const EATER = "x=aaaaaaaa; while :; do x=$x$x; done";
const BOMBS: Readonly<Record<string, readonly [string, readonly VerdictKind[]]>> = {
  "a fork bomb": [`bomb() { bomb | bomb & }; bomb; sleep 5; exit 3`, ["failed"]],
  "a fork bomb that sleeps": [
    `bomb() { sleep ${SECONDS} & bomb & bomb; }; bomb; exit 3`,
    ["failed", "timed-out"],
  ],
  "many that eat memory together": [
    `for i in 1 2 3 4 5 6 7 8; do (${EATER}) & done; wait; sleep ${SECONDS}`,
    ["out-of-memory"],
  ],
  "memory through /dev/shm": [
    `dd if=/dev/zero of=/dev/shm/x bs=1M; sleep ${SECONDS}`,
    ["out-of-memory"],
  ],
  "the disk, at full speed": [`dd if=/dev/zero of=x bs=4M; sleep ${SECONDS}`, ["out-of-disk"]],
  "the disk, by the output": [`dd if=/dev/zero of=$out bs=4M; sleep ${SECONDS}`, ["out-of-disk"]],
  "files without end": [
    `mkdir d; i=0; while :; do : > d/$i; i=$((i+1)); done`,
    ["out-of-disk", "timed-out"],
  ],
  "a clock that ticks for ever": ["while :; do echo tick; sleep 0.1; done", ["timed-out"]],
  "a log without end": [`yes ${"y".repeat(500)}`, ["failed"]],
  "a log of short lines without end": ["yes", ["failed", "timed-out"]],
  "a line without end": ["yes | tr -d '\\n'", ["failed", "timed-out", "silent"]],
  "signals that are not heard": [
    `trap '' TERM INT HUP QUIT PIPE; while :; do echo still here; sleep 1; done`,
    ["timed-out"],
  ],
  "a daemon that holds the log open": [
    `(setsid sh -c 'while :; do sleep ${SECONDS}; done' &); exit 3`,
    ["failed", "timed-out", "silent"],
  ],
};

describeIsolated("bombs", () => {
  let nix: Awaited<ReturnType<typeof limitedRunner>>;
  beforeAll(async () => {
    nix = await limitedRunner(54_600, DISK, BUILDS);
  });
  afterAll(async () => {
    await nix?.close();
  });

  test.for(Object.entries(BOMBS))("%s", { timeout: 180_000 }, async ([name, [script, ends]]) => {
    const id = name.replaceAll(/[^a-z]+/gu, "-");
    const drvs = await instantiateIn(
      nix,
      `{ bomb = mk "${id}" ${JSON.stringify(script.replaceAll("${", "$\\{"))} [];
         neighbour = mk "beside-${id}" "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.5; done; echo > $out" []; }`,
    );
    const { verdicts } = await buildAllIn(nix, drvs, {
      slots: 2,
      limits: { buildSeconds: 20, silentSeconds: 15 },
    });
    expect(verdicts.get("neighbour")?.verdict).toEqual({ kind: "succeeded", reused: false });
    const verdict = verdicts.get("bomb")?.verdict;
    expect(ends, JSON.stringify(verdict).slice(0, 2_000)).toContain(verdict?.kind);
    expect(JSON.stringify(verdict).length).toBeLessThan(100_000);
    await until("nothing of it runs any more", async () =>
      (await hostProcesses()).every(({ command }) => !command.includes(`sleep\0${SECONDS}`)),
    );
    expect(await readdir(join(nix.state, "builds"))).toEqual([]);
  });
});
