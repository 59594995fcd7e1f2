import { readFile } from "node:fs/promises";
import { describeEnd, run, succeeded } from "../../../process/index.ts";
import type { MethodEnd, MethodPlace } from "../method.ts";
import type { KropsSettings } from "./settings.ts";
import type { KropsTool } from "./tool.ts";
import { bytesOf, failed, missing } from "./tree.ts";

/** KRO-11: what only one machine may have, and nobody may read in a log. */

/** Shorter values are words that stand everywhere. */
const SHORTEST = 8;
/** Milliseconds for one file. */
const DECRYPT_MS = 30_000;
/** Where a NixOS host has its programs, and where others have. */
const PATH = "/run/current-system/sw/bin:/usr/local/bin:/usr/bin:/bin";

/** Names of variables whose values are secrets, whatever they look like. */
const SECRET = /key|token|secret|pass|private|credential|auth|seed|mnemonic|salt|dsn|macaroon/iu;
/** What nobody types: a key's own look. No address, no path, no words. */
const RANDOM = /^(?=\S*[A-Za-z])(?=\S*[0-9])[^\s/]{16,}$/u;
const ASSIGNED = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/u;

type Masking = Pick<MethodPlace, "mask" | "work">;

/** Masks the secret values of an overlay's environment files in everything that is told from here on. */
export async function maskEnvironments(place: Masking, files: readonly string[]): Promise<void> {
  for (const file of files)
    for (const line of (await readFile(file, "utf8")).split("\n")) {
      const [, name = "", quoted = ""] = ASSIGNED.exec(line) ?? [];
      const value = quoted.replace(/^(["'])(.*)\1$/u, "$2");
      if (SECRET.test(name) || RANDOM.test(value)) hide(place, value);
    }
}

/**
 * Decrypts what is encrypted for the runner. The identity is read here and never comes into the place: of the repository's
 * programs none sees it.
 */
export async function decryptSecrets(
  place: MethodPlace<KropsTool>,
  age: NonNullable<KropsSettings["age"]>,
): Promise<MethodEnd> {
  for (const { from, to } of age.files) {
    const encrypted = await bytesOf(place, from);
    if (encrypted === null) return missing([`the secret ${from} is not there`]);
    const end = await run([age.program, "--decrypt", "--identity", age.identityFile], {
      env: { PATH },
      input: encrypted,
      timeoutMs: DECRYPT_MS,
    });
    if (!succeeded(end)) {
      const said = new TextDecoder().decode(end.stderr).trim();
      return failed(
        `${from} cannot be decrypted: age ${describeEnd(end)}${said === "" ? "" : `: ${said}`}`,
      );
    }
    for (const line of new TextDecoder().decode(end.stdout).split("\n")) {
      hide(place, line.trim());
      hide(place, ASSIGNED.exec(line)?.[2] ?? "");
    }
    await place.write(`${place.tree}/${to}`, end.stdout, 0o600);
    place.say(`${from} is decrypted to ${to}`);
  }
  return { kind: "done" };
}

/** Nothing that the specification itself says: an outcome without the machine's name would be nobody's. */
function hide({ mask, work }: Masking, text: string): void {
  if (text.length >= SHORTEST && !JSON.stringify(work).includes(text)) mask(text);
}
