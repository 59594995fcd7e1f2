import { constants, existsSync } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../process/index.ts";
import type { IsolationConfiguration } from "./configuration.ts";
import { requirePassable } from "./passable.ts";

/** `path`, with the operator's own Nix before the system's; and what that Nix needs besides. */
export function nixEnvironment(folder: string | null, path: string): Environment {
  if (folder === null) return { PATH: path };
  return {
    PATH: `${join(folder, "bin")}:${path}`,
    // Old ones (2.8) start `<this>/nix/build-remote` for each build; new ones start themselves.
    ...(existsSync(join(folder, "libexec/nix"))
      ? { NIX_LIBEXEC_DIR: join(folder, "libexec") }
      : {}),
  };
}

/** @throws naming what is wrong with the folder that the operator named */
export async function checkNixFolder({
  nixFolder: folder,
  store,
}: Pick<IsolationConfiguration, "nixFolder" | "store">): Promise<void> {
  if (folder === null) return;
  if (store === "private" && /^\/nix(\/|$)/u.test(folder))
    throw new Error(
      `isolation.nixFolder is ${folder}: the private store covers /nix, so the runner's Nix has to lie elsewhere (or "store": "host")`,
    );
  for (const program of ["nix", "nix-daemon", "nix-store"]) {
    try {
      await access(join(folder, "bin", program), constants.X_OK);
    } catch (error) {
      throw new Error(`isolation.nixFolder is ${folder}, which has no program bin/${program}`, {
        cause: error,
      });
    }
  }
  if (((await stat(folder)).mode & 0o001) === 0)
    throw new Error(`only its owner gets into isolation.nixFolder ${folder}: chmod o+x it`);
  await requirePassable(folder);
}
