import { join } from "node:path";

export interface NixConfiguration {
  /** A static shell for the build sandbox's /bin/sh, when Nix does not bring one. */
  readonly sandboxShell: string | null;
  /** What one build may print. */
  readonly logBytes?: number;
  /** The operator's own lines. They may not touch what isolation rests on. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Settings that the operator's lines cannot change, because isolation rests on them. */
const FIXED = new Set([
  "sandbox",
  "sandbox-fallback",
  "build-users-group",
  "trusted-users",
  "allowed-users",
  "accept-flake-config",
  "flake-registry",
  "impure-host-deps",
  "diff-hook",
  "post-build-hook",
  "pre-build-hook",
]);

/** nix.conf, for the daemon or for jobs. `directory` is where its readers see the folder it lies in. */
export function nixConfiguration(directory: string, config: NixConfiguration): string {
  const refused = Object.keys(config.settings).filter((name) =>
    FIXED.has(name.replace(/^extra-/, "")),
  );
  if (refused.length > 0)
    throw new Error(`nix settings ${refused.join(", ")} are fixed by isolation: remove them`);
  const settings: Record<string, string> = {
    "experimental-features": "nix-command flakes",
    substituters: "",
    "allow-import-from-derivation": "false",
    "max-jobs": "auto",
    "min-free": "0",
    // Logs go to the control plane as they are printed; Nix's own copies would grow without end.
    "keep-build-log": "false",
    ...(config.logBytes === undefined ? {} : { "max-build-log-size": String(config.logBytes) }),
    ...(config.sandboxShell ? { "sandbox-paths": `/bin/sh=${config.sandboxShell}` } : {}),
    ...config.settings,
    sandbox: "true",
    "sandbox-fallback": "false",
    "build-users-group": "nixbld",
    "trusted-users": "root",
    "allowed-users": "*",
    "accept-flake-config": "false",
    "flake-registry": join(directory, REGISTRY_FILE),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}

export const REGISTRY_FILE = "registry.json";

/** Without an empty registry, an indirect flake reference costs seconds of retries on the network. */
export const EMPTY_REGISTRY = '{"flakes":[],"version":2}\n';
