import type { ManifestPath } from "../../../protocol/machine.ts";
import type { SourceStore } from "../../machine/index.ts";
import { describeEnd, run, succeeded } from "../../process/index.ts";

/**
 * Every path of a system's closure as this runner's store has it registered.
 * @throws when the system is not in the store.
 */
export async function registeredClosure(
  { nixStore, url, env }: SourceStore,
  system: string,
): Promise<ManifestPath[]> {
  const store = url === null ? [] : ["--store", url];
  const ask = async (...args: string[]): Promise<string> => {
    const asked = await run([nixStore, ...store, ...args], { env, maxOutput: 256 * 1024 * 1024 });
    if (succeeded(asked)) return new TextDecoder().decode(asked.stdout);
    const said = new TextDecoder().decode(asked.stderr).trim();
    throw new Error(`${system} cannot be read from the store: ${describeEnd(asked)}\n${said}`);
  };
  const paths = (await ask("--query", "--requisites", system)).trim().split("\n");
  return registrations(await ask("--dump-db", ...paths));
}

/** `nix-store --dump-db`: path, hash (hex), size, deriver, number of references, references; a line each. */
function registrations(text: string): ManifestPath[] {
  const lines = text.split("\n");
  const paths: ManifestPath[] = [];
  for (let at = 0; at + 4 < lines.length; at += 5 + Number(lines[at + 4])) {
    const [path = "", hash = "", size = ""] = lines.slice(at, at + 3);
    const narHash = `sha256-${Buffer.from(hash, "hex").toString("base64")}`;
    paths.push({ path, narHash, narSize: Number(size) });
  }
  return paths;
}
