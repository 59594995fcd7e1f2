import * as z from "zod";
import type { Workspace } from "./launch.ts";
import { describeLaunch, ended, text } from "./launch.ts";

/** What differs between the versions of Nix, decided once for a runner. */
export interface NixVersion {
  /** As Nix prints it: `2.8.0`. */
  readonly number: string;
  /** Arguments after `nix` that print derivations with everything below them as JSON. */
  readonly showDerivations: readonly [string, ...string[]];
  readonly showConfiguration: readonly [string, ...string[]];
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

export function adapt(number: string): NixVersion {
  const [major = 0, minor = 0] = number.split(".").map((part) => Number.parseInt(part, 10));
  const atLeast = (wanted: number): boolean => major > 2 || (major === 2 && minor >= wanted);
  return {
    number,
    // `derivation show` and `config show` came with 2.14 and 2.18; the old names went later.
    showDerivations: atLeast(15)
      ? ["derivation", "show", "--recursive"]
      : ["show-derivation", "--recursive"],
    showConfiguration: atLeast(20) ? ["config", "show", "--json"] : ["show-config", "--json"],
  };
}

/** `nix (Nix) 2.8.0`, `nix (Lix, like Nix) 2.91.1`: the number in it, or null. */
export function parseVersion(printed: string): string | null {
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
  const version = adapt(
    must(
      parseVersion(await say(workspace, ["nix", "--version"])),
      "nix --version names no version",
    ),
  );
  const config = Configuration.parse(
    JSON.parse(await say(workspace, ["nix", ...version.showConfiguration])),
  );
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

async function say(workspace: Workspace, argv: readonly [string, ...string[]]): Promise<string> {
  const result = await workspace.launch({ argv, network: "none", timeoutMs: 60_000 });
  if (!ended(result))
    throw new Error(
      `${argv.join(" ")} ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
    );
  return text(result.stdout);
}

function must<T>(value: T | null, otherwise: string): T {
  if (value === null) throw new Error(otherwise);
  return value;
}
