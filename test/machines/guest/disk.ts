import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { must } from "../../../scripts/tools/packages.mjs";
import type { SourceStore } from "../../../src/runner/machine/index.ts";
import { installClosure } from "../systems.ts";
import type { Base } from "./base.ts";

const BYTES = 1 << 30;

/** Makes the guest's disk, raw: the base, and one generation, as an installer would leave it. */
export async function makeDisk(
  disk: string,
  base: Base,
  system: string,
  from: SourceStore,
): Promise<void> {
  const root = `${disk}.root`;
  try {
    cpSync(join(base.folder, "root"), root, { recursive: true, verbatimSymlinks: true });
    await installClosure(from, system, root);
    const profiles = "/nix/var/nix/profiles";
    for (const folder of [profiles, "/nix/var/nix/gcroots", "/boot/loader/entries", "/var/lib"])
      mkdirSync(join(root, folder), { recursive: true });
    symlinkSync(system, join(root, profiles, "system-1-link"));
    symlinkSync("system-1-link", join(root, profiles, "system"));
    rmSync(join(root, "nix/var/nix/gcroots/profiles"), { force: true });
    symlinkSync(profiles, join(root, "nix/var/nix/gcroots/profiles"));
    const loader = join(root, "boot/loader");
    writeFileSync(join(loader, "loader.conf"), "timeout 0\ndefault nixos-generation-1.conf\n");
    writeFileSync(
      join(loader, "entries/nixos-generation-1.conf"),
      `title NixOS\nversion Generation 1\noptions init=${system}/init console=ttyS0\n`,
    );
    closeSync(openSync(disk, "w"));
    truncateSync(disk, BYTES);
    must("mkfs.ext4", ["-q", "-F", "-d", root, disk]);
  } finally {
    must("chmod", ["-R", "u+w", root]);
    rmSync(root, { recursive: true, force: true });
  }
}
