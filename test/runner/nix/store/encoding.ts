import { number, text, texts } from "../../../../src/runner/nix/store/serve/wire.ts";

/** What `nix-store --serve` says of a path. */
export interface Registered {
  readonly path: string;
  readonly digest: Uint8Array;
  readonly narSize: number;
  readonly references: readonly string[];
  readonly signatures: readonly string[];
}

/** The greeting of a server. */
export function greeting(major = 2, minor = 7): Uint8Array {
  return Buffer.concat([number(0x5452eecb), number(major * 256 + minor)]);
}

export function infos(list: readonly Registered[]): Uint8Array {
  const one = ({ path, digest, narSize, references, signatures }: Registered): Uint8Array =>
    Buffer.concat([
      text(path),
      text(`${path}.drv`),
      texts(references),
      number(narSize),
      number(narSize),
      text(`sha256:${base32(digest)}`),
      text(""),
      texts(signatures),
    ]);
  return Buffer.concat([...list.map(one), text("")]);
}

/** As Nix writes a hash: the number that the bytes are, the last one first, in base 32. */
export function base32(bytes: Uint8Array): string {
  let value = BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`);
  let digits = "";
  for (let left = Math.ceil((bytes.length * 8) / 5); left > 0; left -= 1) {
    digits = "0123456789abcdfghijklmnpqrsvwxyz"[Number(value % 32n)]! + digits;
    value /= 32n;
  }
  return digits;
}

/** Bytes cut at these places. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted(
    (a, b) => a - b,
  );
  return [...at, bytes.length].map((end, index) => bytes.subarray(at[index - 1] ?? 0, end));
}
