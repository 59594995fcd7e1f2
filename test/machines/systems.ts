import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ManifestOf, ManifestPath } from "../../src/protocol/machine.ts";
import { manifestText } from "../../src/protocol/machine.ts";
import type { SourceStore } from "../../src/runner/machine/index.ts";

const execute = promisify(execFile);
const MAX_BUFFER = 64 * 1024 * 1024;

/** A system in the shape of NixOS's. Scripts are sh; what is left out does nothing. */
export interface SystemSpec {
  /** Packages in its closure, by version. */
  readonly packages?: Readonly<Record<string, string>>;
  /** Unit files by name; `ExecStart=` and `ExecStop=` are run by sh. */
  readonly units?: Readonly<Record<string, string>>;
  /** Said by `dry-activate`; run before the links are changed; after units were started (may `exit`); before the boot entry. */
  readonly onDry?: string;
  readonly onActivate?: string;
  readonly onEnd?: string;
  readonly onBoot?: string;
  /** Whether the machine has a network once it is active. */
  readonly network?: boolean;
  /** `init-interface-version`: another one cannot be switched to. */
  readonly interface?: string;
  readonly kernel?: string;
  /** Random bytes in its closure. */
  readonly mebibytes?: number;
}

export interface ClosureManifest {
  readonly system: string;
  readonly text: string;
  readonly digest: string;
  readonly paths: readonly ManifestPath[];
}

/** For whom the manifests of tests stand, unless they say otherwise. */
export const MANIFEST_OF: ManifestOf = {
  host: "github.test",
  repository: 1,
  sha: "0".repeat(40),
  machine: "machine1",
};

/** What `fixtures/systems.nix` reads. */
export function specsText(specs: Readonly<Record<string, SystemSpec>>): string {
  const whole = Object.entries(specs).map(([name, given]) => [
    name,
    { ...NOTHING, ...given, name },
  ]);
  return JSON.stringify(Object.fromEntries(whole));
}

/** A store of its own, in which systems are built offline; what a deploy runner would copy from. */
export class Builder {
  readonly source: SourceStore;
  readonly #env: Record<string, string>;

  constructor(directory: string, env: Record<string, string>) {
    this.#env = env;
    this.source = {
      nixStore: "nix-store",
      url: `local?root=${join(directory, "builder")}`,
      env,
    };
  }

  /** Builds systems; returns their store paths by the names of the specs. */
  async build<Name extends string>(
    specs: Readonly<Record<Name, SystemSpec>>,
  ): Promise<Record<Name, string>> {
    const names = Object.keys(specs).toSorted() as Name[];
    const file = join(import.meta.dirname, "fixtures/systems.nix");
    const out = await this.#nix("nix-build", [
      "--no-out-link",
      file,
      "--argstr",
      "specs",
      specsText(specs),
    ]);
    const paths = out.trim().split("\n");
    // nix-build prints the attributes' outputs in the order of their names.
    return Object.fromEntries(names.map((name, at) => [name, paths[at]])) as Record<Name, string>;
  }

  /** What a builder would sign of a system's closure. */
  async manifest(system: string, of: ManifestOf = MANIFEST_OF): Promise<ClosureManifest> {
    const closure = (await this.#nix("nix-store", ["-qR", system])).trim().split("\n");
    const dump = await this.#nix("nix-store", ["--dump-db", ...closure]);
    const paths = parseDump(dump);
    const text = manifestText(of, system, paths);
    return { system, text, digest: createHash("sha256").update(text).digest("hex"), paths };
  }

  /** Has the store believe in a path with other bytes than its builder makes; before it was built. */
  async forge(path: string): Promise<void> {
    const root = (this.source.url ?? "").replace("local?root=", "");
    // The path itself has to be where it says: in namespaces of its own, where the store is at /nix.
    const script = `mount --bind "$2/nix" /nix; ${FORGE}`;
    await execute("unshare", ["--mount", "sh", "-c", script, "sh", path, root], {
      env: this.#env,
    });
  }

  /** Builds what an expression of Nix says; its outputs' store paths. */
  async expression(text: string): Promise<string[]> {
    const out = await this.#nix("nix-build", ["--no-out-link", "-E", text]);
    return out.trim().split("\n");
  }

  async #nix(program: string, args: string[]): Promise<string> {
    const { stdout } = await execute(program, ["--store", this.source.url ?? "", ...args], {
      env: this.#env,
      maxBuffer: MAX_BUFFER,
    });
    return stdout;
  }
}

/** Puts a closure into another store on this host, as an installation would. */
export async function installClosure(
  { nixStore, url, env }: SourceStore,
  system: string,
  root: string,
): Promise<void> {
  const from = url === null ? [] : ["--store", url];
  const { stdout } = await execute(nixStore, [...from, "-qR", system], { env: { ...env } });
  const script = `to=$1; shift; "$@" | nix-store --store "local?root=$to" --import`;
  const argv = [nixStore, ...from, "--export", ...stdout.trim().split("\n")];
  await execute("bash", ["-o", "pipefail", "-c", script, "sh", root, ...argv], { env: { ...env } });
}

/** sh: $1 is made anew with other bytes, and registered with their hash in the store at /nix. */
export const FORGE = `set -e
rm -rf "$1"; mkdir -p "$1/bin"; echo forged > "$1/bin/hello"
hash=$(nix-hash --type sha256 "$1")
printf '%s\\n%s\\n%s\\n\\n0\\n' "$1" "$hash" 400 | nix-store --register-validity --hash-given`;

const NOTHING: Required<SystemSpec> = {
  packages: {},
  units: {},
  onDry: "",
  onActivate: "",
  onEnd: "",
  onBoot: "",
  network: true,
  interface: "1",
  kernel: "6.1",
  mebibytes: 0,
};

/** `nix-store --dump-db`: for each path its hash (hex), size, deriver, and references after their number. */
function parseDump(text: string): ManifestPath[] {
  const lines = text.split("\n");
  const found: ManifestPath[] = [];
  for (let at = 0; lines[at]?.startsWith("/") === true;) {
    const [path = "", hash = "", size = "", , references = "0"] = lines.slice(at, at + 5);
    found.push({
      path,
      narHash: `sha256-${Buffer.from(hash, "hex").toString("base64")}`,
      narSize: Number(size),
    });
    at += 5 + Number(references);
  }
  return found;
}
