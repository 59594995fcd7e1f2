import type { Pool } from "../../protocol/identifiers.ts";
import type { Limits, Selection } from "../../protocol/specification.ts";
import type { CommandPolicy } from "../command/command.ts";
import type { TrustRule } from "../trust/table.ts";
import { commandsOf } from "./commands.ts";
import type { Configuration, Evaluate } from "./schema.ts";

/** What an account's runners can be asked for: of each class, what it builds for. */
export type Class = { systems: readonly string[] };

/** A configuration with everything filled in: what a run goes by. */
export type Resolved = {
  selections: Selection[];
  /**
   * For each selection, the systems whose attributes are required; the others are evaluated and listed. Null requires
   * every one: a file's attributes always, a flake's where neither the configuration nor a runner class names a system.
   */
  required: (string[] | null)[];
  /** Some flake reads its revision: the tree is not exported without it and not reused. */
  revision: boolean;
  /** Patterns of attribute names, for each kind of run. */
  sets: { push: string[]; pull_request: string[]; merge_group: string[] };
  limits: Limits;
  policy: { trusted: TrustRule } & CommandPolicy & { writers: string[] };
};

/** What a flake's evaluation looks at when nobody says otherwise. */
export const DEFAULT_ATTRIBUTES = [
  "packages",
  "checks",
  "devShells",
  "apps",
  "formatter",
  "nixosConfigurations",
  "darwinConfigurations",
  "hydraJobs",
  // As these were called before Nix 2.7.
  "defaultPackage",
  "defaultApp",
  "devShell",
] as const;

const DEFAULT_LIMITS: Limits = {
  /** Half an hour: ten thousand NixOS tests evaluate in about five minutes on two cores. */
  evaluationSeconds: 1_800,
  evaluationBytes: 8 * 1_024 ** 3,
  buildSeconds: 4 * 3_600,
  /** As Hydra's default. */
  silentSeconds: 7_200,
};

const EVERYTHING = ["*"];

/**
 * `pool` is where the run goes, and `classes` are those of it; they say what is required where the configuration does not.
 * An untrusted pool never evaluates with import from derivation.
 */
export function resolve(
  configuration: Configuration,
  classes: readonly Class[],
  pool: Pool,
): Resolved {
  const entries = configuration.evaluate ?? DEFAULT_EVALUATE;
  const here = [...new Set(classes.flatMap((c) => c.systems))].toSorted();
  const { limits = {}, sets = {}, policy = {} } = configuration;
  return {
    selections: entries.map((entry) => selectionOf(entry, pool !== "untrusted")),
    required: entries.map((entry) => requiredOf(entry, here)),
    revision: entries.some((entry) => "flake" in entry && entry.revision === true),
    sets: {
      push: sets.push ?? EVERYTHING,
      pull_request: sets.pull_request ?? EVERYTHING,
      merge_group: sets.merge_queue ?? EVERYTHING,
    },
    limits: {
      evaluationSeconds: limits.evaluation_seconds ?? DEFAULT_LIMITS.evaluationSeconds,
      evaluationBytes: limits.evaluation_bytes ?? DEFAULT_LIMITS.evaluationBytes,
      buildSeconds: limits.build_seconds ?? DEFAULT_LIMITS.buildSeconds,
      silentSeconds: limits.silent_seconds ?? DEFAULT_LIMITS.silentSeconds,
    },
    policy: {
      trusted: policy.trusted ?? "repository",
      writers: policy.writers ?? [],
      commands: commandsOf(policy.commands, policy.deploy),
      ...(policy.deploy?.prune === undefined ? {} : { flags: { prune: policy.deploy.prune } }),
    },
  };
}

export const DEFAULT_EVALUATE: Evaluate[] = [{ flake: "." }];

/** Without a system to go by nothing would be required, and a run that built nothing would be green: all of it is. */
function requiredOf(entry: Evaluate, here: string[]): string[] | null {
  if (!("flake" in entry)) return null;
  if (entry.systems) return [...new Set(entry.systems)].toSorted();
  return here.length > 0 ? here : null;
}

/** What is not asked for is not said, so that a specification without it stays what it was to every runner. */
function selectionOf(entry: Evaluate, trusted: boolean): Selection {
  const imports =
    trusted && entry.import_from_derivation === true ? { importFromDerivation: true } : {};
  if ("flake" in entry) {
    return {
      kind: "flake",
      directory: entry.flake,
      attributes: entry.attributes ?? [...DEFAULT_ATTRIBUTES],
      // Every system the flake names: what is not required is evaluated all the same.
      systems: null,
      ...imports,
      ...(entry.formatter_check === true ? { formatterCheck: true } : {}),
    };
  }
  return {
    kind: "file",
    file: entry.file,
    attributes: entry.attributes,
    args: entry.args ?? {},
    ...imports,
  };
}
