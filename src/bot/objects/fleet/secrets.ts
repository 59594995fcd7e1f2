import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** HMAC-SHA-256 under the Worker's ATTEMPT_KEY (base64, 32 bytes). Throws when the key is not that: fail closed. */
export function mac(key: string, text: string): Buffer {
  const bytes = Buffer.from(key, "base64");
  if (bytes.length !== 32) throw new Error("ATTEMPT_KEY must be 32 random bytes in base64: set it with `wrangler secret put ATTEMPT_KEY`");
  return createHmac("sha256", bytes).update(text).digest();
}

/** In constant time for equal lengths. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
