import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { CASES } from "./cases.ts";
import { readRecorded } from "./recording.ts";
import { causeOf, classified } from "./replay.ts";
import { TABLE, tableOf } from "./table.ts";

const recorded = await readRecorded();

describe("what Nix said, on each version", () => {
  test.for([...recorded])("%s", async ([, failure]) => {
    for (const recording of failure.recordings) {
      const said = recording.lines.map(([, line]) => line).join("\n");
      expect(
        await classified(failure, recording),
        `${recording.nix} ${recording.through}\n${said}`,
      ).toBe(failure.expected);
    }
  });

  test("there are enough of them, of each version, and each is one that can be made again", () => {
    const all = [...recorded.values()].flatMap(({ recordings }) => recordings);
    expect(recorded.size).toBeGreaterThanOrEqual(60);
    for (const version of ["2.8.", "2.26.", "2.34."])
      expect(all.filter(({ nix }) => nix.startsWith(version)).length).toBeGreaterThanOrEqual(60);
    for (const [name, failure] of recorded) {
      expect(CASES[name], name).toMatchObject({ expected: failure.expected });
      expect(failure.recordings.length, name).toBeGreaterThan(0);
    }
  });

  test("with what the verdict says besides", async () => {
    const causes = async (name: string) => {
      const failure = recorded.get(name)!;
      return await Promise.all(failure.recordings.map((one) => causeOf(failure, one)));
    };
    for (const cause of await causes("exit-code"))
      expect(cause).toMatchObject({ kind: "failed", exitCode: 3 });
    for (const cause of await causes("log-looks-like-nix"))
      expect(cause).toMatchObject({ kind: "failed", exitCode: 4 });
    for (const cause of await causes("signal-killed"))
      expect(cause).toMatchObject({ kind: "failed", exitCode: null, signal: 9 });
    for (const cause of await causes("feature-missing"))
      expect(cause).toEqual({ kind: "no-runner", missing: ["feature warp-drive"] });
    for (const cause of await causes("system-missing"))
      expect(cause).toEqual({ kind: "no-runner", missing: ["system riscv64-linux"] });
    const specified = { kind: "hash-mismatch", specified: expect.stringMatching(/^sha256-A+=$/u) };
    for (const spelt of ["sri", "base32", "hex"])
      for (const cause of await causes(`hash-mismatch-${spelt}`))
        expect(cause).toMatchObject({
          ...specified,
          got: "sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=",
        });
  });

  test("the table says so", async () => {
    // To write it anew: node test/runner/nix/failures/table/main.ts
    expect(await tableOf(recorded)).toBe(await readFile(TABLE, "utf8"));
  });
});
