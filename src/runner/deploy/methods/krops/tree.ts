import type { MethodEnd, MethodPlace } from "../method.ts";
import type { KropsTool } from "./tool.ts";

/** Questions about the checkout, asked by small programs where it is; names travel by argv or stdin, never in a script. */

type Place = MethodPlace<KropsTool>;
/** Seconds for a look at files. */
const LOOK = 60;
/** Files of the configuration that are read for warnings. */
const MODULES = 64;

export async function textOf(place: Place, path: string): Promise<string | null> {
  const read = await place.run(["cat", "--", `${place.tree}/${path}`], {
    timeoutSeconds: LOOK,
    quiet: true,
  });
  return read.exitCode === 0 ? read.stdout : null;
}

/** A file of any content; null where there is none. */
export async function bytesOf(place: Place, path: string): Promise<Uint8Array | null> {
  const read = await place.run(["base64", "--", `${place.tree}/${path}`], {
    timeoutSeconds: LOOK,
    quiet: true,
  });
  return read.exitCode === 0 ? Buffer.from(read.stdout, "base64") : null;
}

const EXISTING = `while IFS= read -r path; do
  if [ -d "$path" ] && [ ! -L "$path" ]; then echo "folder $path"
  elif [ -e "$path" ] || [ -L "$path" ]; then echo "other $path"
  fi
done`;

/** Which of these are there. */
export async function existing(
  place: Place,
  paths: readonly string[],
): Promise<{ path: string; kind: "folder" | "other" }[]> {
  if (paths.length === 0) return [];
  const asked = await place.run(["sh", "-c", EXISTING], {
    cwd: place.tree,
    timeoutSeconds: LOOK,
    quiet: true,
    stdin: `${paths.join("\n")}\n`,
  });
  if (asked.exitCode !== 0) throw new Error(`the checkout cannot be looked at: ${asked.log}`);
  return asked.stdout.split("\n").flatMap((line) => {
    const [, kind, path] = /^(folder|other) (.+)$/u.exec(line) ?? [];
    return path === undefined ? [] : [{ path, kind: kind === "folder" ? "folder" : "other" }];
  });
}

/** Nix files of `config`, as text: what is shared, and this machine's. */
export async function modulesOf(place: Place): Promise<{ path: string; text: string }[]> {
  const found = await place.run(
    ["find", "config", "-maxdepth", "4", "-type", "f", "-name", "*.nix", "-size", "-256k"],
    { cwd: place.tree, timeoutSeconds: LOOK, quiet: true },
  );
  const paths = found.stdout.split("\n").filter((path) => path !== "");
  const texts = paths
    .slice(0, MODULES)
    .map(async (path) => ({ path, text: await textOf(place, path) }));
  return (await Promise.all(texts)).map(({ path, text }) => ({ path, text: text ?? "" }));
}

/** Links near the root that lead nowhere. */
export async function danglingLinks(place: Place): Promise<string[]> {
  const found = await place.run(
    ["find", ".", "-maxdepth", "3", "-name", ".git", "-prune", "-o", "-xtype", "l", "-print"],
    { cwd: place.tree, timeoutSeconds: LOOK, quiet: true },
  );
  return found.stdout.split("\n").filter((path) => path !== "");
}

/** Whether a folder holds at least one file that is not empty. */
export async function holdsAnything(place: Place, path: string): Promise<boolean> {
  const found = await place.run(
    ["find", "-L", `${place.tree}/${path}/`, "-type", "f", "-size", "+0", "-print", "-quit"],
    { timeoutSeconds: LOOK, quiet: true },
  );
  return found.stdout.trim() !== "";
}

/** SHA-256 (hex) of each file by its path; without those that cannot be read. */
export async function hashesOf(
  place: Place,
  paths: readonly string[],
): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  if (paths.length === 0) return hashes;
  // It goes on after a file that is not there. What it writes of a name with a backslash or a newline begins with one.
  const read = await place.run(["sha256sum", "--", ...paths.map((path) => `./${path}`)], {
    cwd: place.tree,
    timeoutSeconds: LOOK,
    quiet: true,
  });
  for (const line of read.stdout.split("\n")) {
    const [, hash, path] = /^([0-9a-f]{64}) [ *]\.\/(.+)$/u.exec(line) ?? [];
    if (hash !== undefined && path !== undefined) hashes.set(path, hash);
  }
  return hashes;
}

/** Of a folder as a flake's input would have it; null where it cannot be had. KRO-12. */
export async function narHashOf(
  place: Place,
  path: string,
  timeoutSeconds: number,
): Promise<string | null> {
  const hashed = await place.run(["nix-hash", "--type", "sha256", `${place.tree}/${path}/.`], {
    timeoutSeconds,
  });
  const hex = /^([0-9a-f]{64})$/mu.exec(hashed.stdout)?.[1];
  return hex === undefined ? null : `sha256-${Buffer.from(hex, "hex").toString("base64")}`;
}

export const failed = (why: string): MethodEnd => ({ kind: "failed", why });

export function missing(all: readonly string[]): MethodEnd {
  const [first, ...rest] = all.slice(0, 32);
  return first === undefined ? { kind: "done" } : { kind: "missing", missing: [first, ...rest] };
}
