import type { ClusterPlace } from "./program.ts";

/** Lines of a public key as OpenSSH and Nix write them (POSIX extended). */
const PUBLIC = String.raw`^((ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]+=*( .*)?|[A-Za-z0-9._-]+:[A-Za-z0-9+/]{43}=)$`;
const PRIVATE = String.raw`PRIVATE KEY|AGE-SECRET-KEY|^[A-Za-z0-9._-]+:[A-Za-z0-9+/]{86}==`;
const BESIDE = "^(#.*)?$";
const SECONDS = 60;

/**
 * A folder whose files are baked into what is deployed: public keys, at least one, and nothing else. Null: it is so.
 * Only names of files are asked for: what a private key's file holds must not come into a log.
 */
export async function judgeKeys(place: ClusterPlace, folder: string): Promise<string | null> {
  const path = `${place.tree}/${folder}`;
  const ask = async (argv: readonly [string, ...string[]]): Promise<string[] | null> => {
    const { exitCode, stdout } = await place.run(argv, { timeoutSeconds: SECONDS, quiet: true });
    // grep's 1: nothing was found.
    if (exitCode !== 0 && !(exitCode === 1 && argv[0] === "grep")) return null;
    return stdout.split("\0").filter((name) => name !== "");
  };
  const name = (file: string): string => JSON.stringify(file.slice(place.tree.length + 1));

  const all = await ask(["find", path, "-mindepth", "1", "-print0"]);
  if (all === null) return `the folder ${folder} of public keys cannot be read`;
  if (all.length === 0) return `there is no public key in ${folder}`;
  const odd = await ask([
    "find",
    path,
    "-mindepth",
    "1",
    "!",
    "(",
    "-type",
    "f",
    "-name",
    "*.pub",
    ")",
    "-print0",
  ]);
  const secret = await ask(["grep", "-arlZE", "-e", PRIVATE, "--", path]);
  const other = await ask(["grep", "-arlZvE", "-e", PUBLIC, "-e", BESIDE, "--", path]);
  const empty = await ask(["grep", "-arLZE", "-e", PUBLIC, "--", path]);
  if (odd === null || secret === null || other === null || empty === null)
    return `the folder ${folder} of public keys cannot be read`;
  const [first] = secret;
  if (first !== undefined)
    return `${name(first)} holds a PRIVATE key: take it out and make another one, for this one is in the history`;
  const stray = odd[0] ?? other[0] ?? empty[0];
  return stray === undefined ? null : `${name(stray)} is not a file of public keys (.pub)`;
}
