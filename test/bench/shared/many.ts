import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

export type Files = Record<string, string>;

export const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";

const MANY = resolve(import.meta.dirname, "../../../nix/examples/many");

/**
 * The example `many`, flat, as `checks`: what `nix flake check` builds, and what Snowcat builds without being told. A new
 * seed makes every derivation new to every store.
 */
export async function manyTree(attributes: number, seed: string): Promise<Files> {
  const flake = await readFile(join(MANY, "flake.nix"), "utf8");
  const as = flake.replace(`packages.x86_64-linux = make "x86_64-linux"`, checks());
  if (as === flake) throw new Error(`${MANY}/flake.nix has no packages that could be checks`);
  return {
    "flake.nix": as,
    "many.nix": await readFile(join(MANY, "many.nix"), "utf8"),
    n: `${attributes}\n`,
    seed: `${seed}\n`,
    failures: "0\n",
    shape: "flat\n",
    broken: "false\n",
  };
}

function checks(): string {
  return `checks.${SYSTEM} = make "${SYSTEM}"`;
}
