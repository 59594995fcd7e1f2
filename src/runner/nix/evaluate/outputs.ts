import type { Leaf } from "./expression.ts";

/** How an output of a flake is laid out. */
export interface OutputKind {
  /** `system`: its first level are systems. */
  readonly by: "system" | "name";
  /** Below that: a set of attributes, or one attribute itself. */
  readonly shape: "set" | "leaf";
  readonly leaf: Leaf;
}

/** The flake outputs that are understood; any other is taken for a set of derivations. */
export const OUTPUT_KINDS: Readonly<Record<string, OutputKind>> = {
  packages: { by: "system", shape: "set", leaf: "derivations" },
  checks: { by: "system", shape: "set", leaf: "derivations" },
  devShells: { by: "system", shape: "set", leaf: "derivations" },
  apps: { by: "system", shape: "set", leaf: "app" },
  formatter: { by: "system", shape: "leaf", leaf: "derivations" },
  nixosConfigurations: { by: "name", shape: "set", leaf: "nixos" },
  darwinConfigurations: { by: "name", shape: "set", leaf: "darwin" },
  hydraJobs: { by: "name", shape: "set", leaf: "jobs" },
  legacyPackages: { by: "system", shape: "set", leaf: "derivations" },
  // Names of Nix before 2.7.
  defaultPackage: { by: "system", shape: "leaf", leaf: "derivations" },
  devShell: { by: "system", shape: "leaf", leaf: "derivations" },
  defaultApp: { by: "system", shape: "leaf", leaf: "app" },
};

/** Looked at when a selection names none. */
export const DEFAULT_OUTPUTS = [
  "packages",
  "checks",
  "devShells",
  "apps",
  "formatter",
  "nixosConfigurations",
] as const;

const OTHER: OutputKind = { by: "name", shape: "set", leaf: "derivations" };

export function outputKind(name: string): OutputKind {
  return Object.hasOwn(OUTPUT_KINDS, name) ? OUTPUT_KINDS[name]! : OTHER;
}

/** The system in an attribute path, or null. */
export function systemOf(path: readonly string[]): string | null {
  const [kind = "", system] = path;
  if (
    system === undefined ||
    !Object.hasOwn(OUTPUT_KINDS, kind) ||
    outputKind(kind).by !== "system"
  )
    return null;
  return /^[a-z0-9_]{1,31}-[a-z0-9_]{1,32}$/u.test(system) ? system : null;
}
