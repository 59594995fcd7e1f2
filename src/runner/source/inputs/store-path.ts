import { createHash } from "node:crypto";

/** The digits of Nix's base 32. */
const DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";

/** Where a tree of this hash lies in /nix/store under the name `source`, as every fetcher stores it; null for no SHA-256. */
export function sourceStorePath(narHash: string): string | null {
  const [, base64 = ""] = /^sha256-([A-Za-z0-9+/]{43}=)$/u.exec(narHash) ?? [];
  if (base64 === "") return null;
  const hex = Buffer.from(base64, "base64").toString("hex");
  const digest = createHash("sha256").update(`source:sha256:${hex}:/nix/store:source`).digest();
  return `/nix/store/${base32(folded(digest, 20))}-source`;
}

/** Nix shortens a digest by folding it onto itself. */
function folded(digest: Uint8Array, size: number): Uint8Array {
  const short = new Uint8Array(size);
  for (const [index, byte] of digest.entries()) short[index % size]! ^= byte;
  return short;
}

/** From the last digit to the first, five bits each. */
function base32(bytes: Uint8Array): string {
  const length = Math.ceil((bytes.length * 8) / 5);
  let text = "";
  for (let digit = length - 1; digit >= 0; digit -= 1) {
    const bit = digit * 5;
    const byte = Math.floor(bit / 8);
    const shift = bit % 8;
    const value = ((bytes[byte] ?? 0) >> shift) | ((bytes[byte + 1] ?? 0) << (8 - shift));
    text += DIGITS[value & 31];
  }
  return text;
}
