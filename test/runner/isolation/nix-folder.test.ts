import { chmod, copyFile, mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { supervise } from "../../../src/runner/isolation/index.ts";
import { describeIsolated, err, isolationForTest, out, scratch } from "./support.ts";

describeIsolated("a Nix of the operator's own", () => {
  let directory: string;
  beforeEach(async () => {
    // Not below /tmp, which the sandbox replaces.
    directory = await scratch("/var/tmp");
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function withNix(): Promise<string> {
    const folder = join(directory, "nix");
    await mkdir(join(folder, "bin"), { recursive: true });
    await copyFile("/usr/bin/nix", join(folder, "bin/nix"));
    for (const name of ["nix-store", "nix-daemon", "nix-build"])
      await symlink("nix", join(folder, "bin", name));
    return folder;
  }

  test("is what jobs and the daemon use, and jobs cannot change it", async () => {
    const nixFolder = await withNix();
    const place = await isolationForTest({ uidBase: 55_000, nixFolder });
    try {
      const script = `readlink -f "$(command -v nix-build)"; ls ${directory}; touch ${nixFolder}/bin/other`;
      const seen = await place.isolation.run({ argv: ["/bin/sh", "-c", script] });
      // Of what lies beside it nothing is visible.
      expect(out(seen)).toBe(`${nixFolder}/bin/nix\nnix\n`);
      expect(err(seen)).toContain("Read-only file system");
      const built = await place.isolation.run({
        argv: [
          "nix-build",
          "--no-out-link",
          "--expr",
          'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }',
        ],
      });
      expect(out(built), err(built)).toMatch(/^\/nix\/store\/\w{32}-x\n$/u);
    } finally {
      await place.close();
    }
  });

  test.each([
    ["below the store", "/nix/var/nix/profiles/default", "the private store covers /nix"],
    ["without Nix", "/usr/share", "/usr/share, which has no program bin/nix"],
  ])("is refused %s, by name", async (_, nixFolder, why) => {
    await expect(
      supervise({ stateDirectory: join(directory, "state"), nixFolder }),
    ).rejects.toThrow(why);
  });

  test("is refused where jobs cannot get in", async () => {
    const nixFolder = await withNix();
    await chmod(nixFolder, 0o700);
    await expect(
      supervise({ stateDirectory: join(directory, "state"), nixFolder }),
    ).rejects.toThrow(`only its owner gets into isolation.nixFolder ${nixFolder}`);
  });
});
