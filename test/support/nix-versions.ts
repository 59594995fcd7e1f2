import { dirname } from "node:path";
import type { NixInstall } from "../../scripts/tools/nix-versions.mjs";
import {
  chosenNix,
  environmentOf,
  nixInstalls as find,
} from "../../scripts/tools/nix-versions.mjs";

export type { NixInstall } from "../../scripts/tools/nix-versions.mjs";

/**
 * The versions of Nix that are here, the machine's own first. The others are fetched by the commands
 * that use them (`npm run bench`, `npm run test:slow`, or any with SNOWCAT_NIX=<suite>).
 */
export async function nixInstalls(): Promise<NixInstall[]> {
  return find();
}

/** What a runner's `isolation` has to say to use it; what SNOWCAT_NIX names unless given. */
export function isolationWith(nix = chosenNix(process.env.SNOWCAT_NIX)): { nixFolder?: string } {
  return nix === undefined || nix.bin === "/usr/bin" ? {} : { nixFolder: dirname(nix.bin) };
}

/** PATH, and what else programs need that use it; what SNOWCAT_NIX names unless given. */
export function environmentWith(nix = chosenNix(process.env.SNOWCAT_NIX)): Record<string, string> {
  return { PATH: process.env.PATH ?? "", ...(nix && environmentOf(nix, process.env)) };
}
