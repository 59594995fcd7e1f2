import { FORMATTER_CHECK_OUTPUT, type Leaf } from "./expression.ts";

/** How an output of a flake is laid out. */
export interface OutputKind {
  /** `system`: its first level are systems. `nothing`: there is nothing to build in it. */
  readonly by: "system" | "name" | "nothing";
  /** Below that: a set of attributes, or one attribute itself. */
  readonly shape: "set" | "leaf";
  readonly leaf: Leaf;
}

const NOTHING: OutputKind = { by: "nothing", shape: "set", leaf: "derivations" };

/** The flake outputs that are understood; any other is taken for a set of derivations. */
const OUTPUT_KINDS: Readonly<Record<string, OutputKind>> = {
  packages: { by: "system", shape: "set", leaf: "derivations" },
  checks: { by: "system", shape: "set", leaf: "derivations" },
  devShells: { by: "system", shape: "set", leaf: "derivations" },
  apps: { by: "system", shape: "set", leaf: "app" },
  formatter: { by: "system", shape: "leaf", leaf: "derivations" },
  [FORMATTER_CHECK_OUTPUT]: { by: "system", shape: "leaf", leaf: "derivations" },
  nixosConfigurations: { by: "name", shape: "set", leaf: "nixos" },
  darwinConfigurations: { by: "name", shape: "set", leaf: "darwin" },
  homeConfigurations: { by: "name", shape: "set", leaf: "home" },
  hydraJobs: { by: "name", shape: "set", leaf: "jobs" },
  legacyPackages: { by: "system", shape: "set", leaf: "legacy" },
  // Names of Nix before 2.7.
  defaultPackage: { by: "system", shape: "leaf", leaf: "derivations" },
  devShell: { by: "system", shape: "leaf", leaf: "derivations" },
  defaultApp: { by: "system", shape: "leaf", leaf: "app" },
  bundlers: NOTHING,
  defaultBundler: NOTHING,
  darwinModules: NOTHING,
  defaultTemplate: NOTHING,
  flakeModule: NOTHING,
  flakeModules: NOTHING,
  homeModule: NOTHING,
  homeModules: NOTHING,
  lib: NOTHING,
  nixosModule: NOTHING,
  nixosModules: NOTHING,
  overlay: NOTHING,
  overlays: NOTHING,
  schemas: NOTHING,
  templates: NOTHING,
};

/** Outputs that are in use and of which nothing is known here: neither looked into nor worth a word. */
const OTHERS = new Set([
  "clan",
  "clanInternals",
  "colmena",
  "colmenaHive",
  "deploy",
  "herculesCI",
  "nixopsConfigurations",
  "tests",
]);

/** What `nix flake check` calls deprecated, and the name since Nix 2.7. */
export const DEPRECATED: Readonly<Record<string, string>> = {
  defaultPackage: "packages.<system>.default",
  defaultApp: "apps.<system>.default",
  devShell: "devShells.<system>.default",
  defaultBundler: "bundlers.<system>.default",
  defaultTemplate: "templates.default",
  overlay: "overlays.default",
  nixosModule: "nixosModules.default",
};

const OTHER: OutputKind = { by: "name", shape: "set", leaf: "derivations" };

export function outputKind(name: string): OutputKind {
  return Object.hasOwn(OUTPUT_KINDS, name) ? OUTPUT_KINDS[name]! : OTHER;
}

/** Whether Nix, its community or Snowcat knows an output by this name. */
export function isKnownOutput(name: string): boolean {
  return Object.hasOwn(OUTPUT_KINDS, name) || OTHERS.has(name);
}

export function isSystem(name: string): boolean {
  return /^[a-z0-9_]{1,31}-[a-z0-9_]{1,32}$/u.test(name);
}

/** The system in an attribute path, or null. */
export function systemOf(path: readonly string[]): string | null {
  const [kind = "", system] = path;
  return system !== undefined && outputKind(kind).by === "system" && isSystem(system)
    ? system
    : null;
}
