import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { fromBase64 } from "../../channel/bytes.ts";

/** HMAC-SHA-256 under the Worker's ATTEMPT_KEY (base64, 32 bytes). Throws when the key is not that: fail closed. */
export function mac(key: string, text: string): Uint8Array {
  const bytes = fromBase64(key);
  if (bytes.length !== 32)
    throw new Error(
      "ATTEMPT_KEY must be 32 random bytes in base64: set it with `wrangler secret put ATTEMPT_KEY`",
    );
  return new Uint8Array(createHmac("sha256", bytes).update(text).digest());
}

/** In constant time for equal lengths. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
