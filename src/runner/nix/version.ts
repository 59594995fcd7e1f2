import * as z from "zod";
import type { Workspace } from "./launch.ts";
import { describeLaunch, ended, text } from "./launch.ts";

/** What differs between the versions of Nix, decided once for a runner. */
export interface NixVersion {
  /** As Nix prints it: `2.8.0`. */
  readonly number: string;
  /** Arguments after `nix` that print derivations with everything below them as JSON. */
  readonly showDerivations: readonly [string, ...string[]];
  /** The first that this one knows. */
  readonly showConfiguration: readonly (readonly [string, ...string[]])[];
}

/** What this runner's Nix can build by itself. */
export interface NixFacts {
  readonly version: NixVersion;
  /** Systems it builds: its own and `extra-platforms`. */
  readonly systems: readonly string[];
  readonly features: readonly string[];
  /** Machines are configured that build for it; then nobody can say beforehand what cannot be built. */
  readonly remoteBuilders: boolean;
  /** Outputs may come from elsewhere without being built. */
  readonly substituters: boolean;
}

/** @param printed what `nix --version` prints; null when it names no version */
export function adapt(printed: string): NixVersion | null {
  const number = parseVersion(printed);
  if (number === null) return null;
  // Lix left at 2.18 and counts from 2.90 on; its commands are those of then.
  const [major = 0, minor = 0] = (/\bLix\b/u.test(printed) ? "2.18" : number)
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  const atLeast = (wanted: number): boolean => major > 2 || (major === 2 && minor >= wanted);
  const newer = ["config", "show", "--json"] as const;
  const older = ["show-config", "--json"] as const;
  return {
    number,
    // `derivation show` and `config show` came with 2.14 and 2.20; the old names went later.
    showDerivations: atLeast(15)
      ? ["derivation", "show", "--recursive"]
      : ["show-derivation", "--recursive"],
    showConfiguration: atLeast(20) ? [newer, older] : [older, newer],
  };
}

/** `nix (Nix) 2.8.0`, `nix (Lix, like Nix) 2.91.1` (and further lines, of newer Lix): the number in it, or null. */
function parseVersion(printed: string): string | null {
  return /(\d+\.\d+(?:[.\w]*)?)/.exec(printed)?.[1] ?? null;
}

const Setting = <T extends z.ZodType>(value: T) => z.object({ value });
const Configuration = z.object({
  system: Setting(z.string()),
  "extra-platforms": Setting(z.array(z.string())).optional(),
  "system-features": Setting(z.array(z.string())),
  builders: Setting(z.string()).optional(),
  substituters: Setting(z.array(z.string())).optional(),
});

/** Asks this runner's Nix what it is. Throws when there is none: a runner without Nix takes no job. */
export async function readFacts(workspace: Workspace): Promise<NixFacts> {
  const version = adapt(await say(workspace, ["nix", "--version"]));
  if (version === null) throw new Error("nix --version names no version");
  const config = Configuration.parse(JSON.parse(await configuration(workspace, version)));
  const builders = config.builders?.value.trim() ?? "";
  return {
    version,
    systems: [config.system.value, ...(config["extra-platforms"]?.value ?? [])],
    features: config["system-features"].value,
    // `@file` stands for a list that is empty where the file does not exist, as it does by default.
    remoteBuilders: builders !== "" && !builders.startsWith("@"),
    substituters: (config.substituters?.value ?? []).length > 0,
  };
}

async function configuration(workspace: Workspace, version: NixVersion): Promise<string> {
  const [first, second] = version.showConfiguration;
  if (first === undefined) throw new Error("a version knows some command for its configuration");
  try {
    return await say(workspace, ["nix", ...first]);
  } catch (error) {
    const unknown = error instanceof Error && /not a recognised command/u.test(error.message);
    if (!unknown || second === undefined) throw error;
    return await say(workspace, ["nix", ...second]);
  }
}

async function say(workspace: Workspace, argv: readonly [string, ...string[]]): Promise<string> {
  const result = await workspace.launch({ argv, network: "none", timeoutMs: 60_000 });
  if (!ended(result))
    throw new Error(
      `${argv.join(" ")} ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
    );
  return text(result.stdout);
}
