import type { PathInfo } from "../path-info.ts";
import type { Reading } from "./wire.ts";
import { number, readNumber, readText, readTexts, texts } from "./wire.ts";

/**
 * The protocol of `nix-store --serve`, by which `ssh://` stores are asked: serve-protocol.hh of Nix 2.8 to 2.34. The version
 * that both speak is the lower one; ours is the first that tells of NAR hashes, so that no later one says more.
 */
const MAGIC = { ours: 0x390c9deb, theirs: 0x5452eecb } as const;
const VERSION = { major: 2, minor: 4 } as const;
const COMMAND = { queryValidPaths: 1, queryPathInfos: 2 } as const;

/** References and signatures of one path; more is no answer. */
const MOST_TEXTS = 1_000_000;

/** What is asked, and how the answer is read. */
export interface Question<T> {
  readonly request: Uint8Array;
  readonly answer: () => Reading<T>;
}

/** The first words of both. */
export const GREETING: Question<void> = {
  request: Buffer.concat([number(MAGIC.ours), number((VERSION.major << 8) | VERSION.minor)]),
  *answer() {
    if ((yield* readNumber()) !== MAGIC.theirs) throw new Error("it does not speak the protocol");
    const version = yield* readNumber();
    if (version >> 8 !== VERSION.major || (version & 0xff) < VERSION.minor)
      throw new Error(`it speaks version ${version >> 8}.${version & 0xff} of the protocol`);
  },
};

/** Which of these paths are valid. They are neither locked nor fetched from elsewhere. */
export function whichAreValid(paths: readonly string[]): Question<Set<string>> {
  return {
    request: Buffer.concat([number(COMMAND.queryValidPaths), number(0), number(0), texts(paths)]),
    *answer() {
      const valid = yield* readTexts(paths.length);
      const asked = new Set(paths);
      for (const path of valid) among(asked, path);
      return new Set(valid);
    },
  };
}

/** What is registered of those of these paths that are valid. */
export function whatIsKnown(paths: readonly string[]): Question<Map<string, PathInfo>> {
  return {
    request: Buffer.concat([number(COMMAND.queryPathInfos), texts(paths)]),
    *answer() {
      const asked = new Set(paths);
      const infos = new Map<string, PathInfo>();
      for (let path = yield* readText(); path !== ""; path = yield* readText()) {
        among(asked, path);
        asked.delete(path);
        yield* readText(); // deriver
        yield* readTexts(MOST_TEXTS); // references
        yield* readNumber(); // size to be downloaded
        const narSize = yield* readNumber();
        const narHash = sri(yield* readText());
        yield* readText(); // content address
        yield* readTexts(MOST_TEXTS); // signatures
        infos.set(path, { narHash, narSize });
      }
      return infos;
    },
  };
}

function among(asked: ReadonlySet<string>, path: string): void {
  if (!asked.has(path)) throw new Error(`it answers about ${path}, which was not asked`);
}

/** The digits of Nix's base 32. */
const DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";
const HASH_BYTES = 32;

/** `sha256:<base 32>` as `sha256-<base 64>`. Digits stand from the last to the first, five bits each. */
export function sri(hash: string): string {
  const [, digits] = /^sha256:([0-9a-df-np-sv-z]{52})$/u.exec(hash) ?? [];
  if (digits === undefined) throw new Error(`${JSON.stringify(hash)} is no SHA-256`);
  const bytes = Buffer.alloc(HASH_BYTES + 1);
  for (const [index, digit] of digits.split("").toReversed().entries()) {
    const value = DIGITS.indexOf(digit) << ((index * 5) % 8);
    const byte = Math.floor((index * 5) / 8);
    bytes[byte]! |= value & 0xff;
    bytes[byte + 1]! |= value >> 8;
  }
  if (bytes[HASH_BYTES] !== 0) throw new Error(`${JSON.stringify(hash)} is no SHA-256`);
  return `sha256-${bytes.subarray(0, HASH_BYTES).toString("base64")}`;
}
