import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { run } from "../../../src/runner/process/index.ts";
import { describeIsolated, err, hostProcesses, isolationForTest, out, until } from "./support.ts";

describeIsolated("building through nix-daemon", () => {
  let place: Awaited<ReturnType<typeof isolationForTest>>;
  let isolation: Isolation;
  beforeAll(async () => {
    place = await isolationForTest();
    isolation = place.isolation;
  });
  afterAll(() => place.close());

  const builder = (name: string, script: string): string =>
    `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ''${script}'' ]; }`;

  test("builds as a build user in the sandbox, and the store can be read from outside", async () => {
    const result = await isolation.run({
      argv: [
        "nix-build",
        "--no-out-link",
        "--expr",
        builder("who", "id > $out; [ ! -e /usr ] && echo alone >> $out"),
      ],
    });
    expect(err(result)).toContain("who.drv");
    const path = out(result).trim();
    expect(path).toMatch(/^\/nix\/store\/[a-z0-9]{32}-who$/);
    const seen = await isolation.run({ argv: ["cat", path] });
    expect(out(seen)).toMatch(/nixbld[\s\S]*alone/);
    const outside = await run(
      ["nix-store", "--store", isolation.storeUrl ?? "", "--query", "--hash", path],
      { env: { PATH: process.env.PATH ?? "" } },
    );
    expect(new TextDecoder().decode(outside.stdout)).toMatch(/^sha256:/);
    // Nothing of it is on the host: only the state directory holds it.
    await expect(stat(path)).rejects.toThrow("ENOENT");
    await expect(stat(join(place.directory, "state/store", path))).resolves.toBeTruthy();
  });

  test("gives nobody but root the daemon's trust: the sandbox cannot be switched off", async () => {
    const result = await isolation.run({
      argv: [
        "nix-build",
        "--no-out-link",
        "--option",
        "sandbox",
        "false",
        "--option",
        "build-users-group",
        "",
        "--expr",
        builder("loose", "[ -e /usr ] && echo open > $out || echo closed > $out"),
      ],
    });
    const seen = await isolation.run({ argv: ["cat", out(result).trim()] });
    expect(out(seen)).toBe("closed\n");
  });

  test("ends the builders when the client is cancelled", async () => {
    const word = `marker-${randomBytes(8).toString("hex")}`;
    const building = async () => (await hostProcesses()).some((one) => one.command.includes(word));
    const stop = new AbortController();
    const running = isolation.run({
      argv: ["/bin/sh", "-c", "cat > t.nix; exec nix-build --no-out-link t.nix"],
      input: builder("slow", `while :; do sleep 1; done # ${word}`),
      signal: stop.signal,
    });
    await until("the builder runs", building);
    stop.abort();
    const result = await running;
    expect(result.cancelled).toBe(true);
    expect(result.durationMs).toBeLessThan(10_000);
    await until("the builder is gone", async () => !(await building()), 5_000);
  });

  test("keeps another account's store paths to that account", async () => {
    const word = randomBytes(12).toString("hex");
    const other = await isolationForTest();
    try {
      const made = await isolation.run({
        argv: ["nix-build", "--no-out-link", "--expr", builder("private", `echo ${word} > $out`)],
      });
      const path = out(made).trim();
      expect(out(await isolation.run({ argv: ["cat", path] }))).toContain(word);
      const attempts = await Promise.all(
        [
          ["cat", path],
          ["nix-store", "--realise", path],
          ["nix-store", "--query", "--references", path],
          [
            "nix-instantiate",
            "--eval",
            "--expr",
            `builtins.readFile (builtins.storePath "${path}")`,
          ],
          ["cat", join(place.directory, "state/store", path)],
          ["ls", "/nix/store"],
        ].map((argv) => other.isolation.run({ argv: argv as [string, ...string[]] })),
      );
      for (const attempt of attempts) expect(out(attempt) + err(attempt)).not.toContain(word);
      expect(attempts.slice(0, 5).map((attempt) => attempt.exitCode === 0)).toEqual(
        Array(5).fill(false),
      );
      expect(out(attempts[5] ?? made)).not.toContain("private");
    } finally {
      await other.close();
    }
  });
});
