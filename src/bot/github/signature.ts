const PREFIX = "sha256=";

let cached: { secret: string; key: Promise<CryptoKey> } | null = null;

/**
 * Whether `header` (`X-Hub-Signature-256`) is the HMAC-SHA-256 of the raw body. Compared by WebCrypto, in constant time.
 * A missing or malformed header is no signature; a missing secret verifies nothing.
 */
export async function verifySignature(
  secret: string,
  header: string | null,
  body: ArrayBuffer,
): Promise<boolean> {
  // A secret that is not set is an empty key, which anybody has.
  if (!secret || header === null || !/^sha256=[0-9a-f]{64}$/u.test(header)) return false;
  const signature = Uint8Array.from({ length: 32 }, (_, i) =>
    Number.parseInt(header.slice(PREFIX.length + 2 * i, PREFIX.length + 2 * i + 2), 16),
  );
  return crypto.subtle.verify("HMAC", await importSecret(secret), signature, body);
}

function importSecret(secret: string): Promise<CryptoKey> {
  if (cached?.secret !== secret) {
    cached = {
      secret,
      key: crypto.subtle.importKey(
        "raw",
        new TextEncoder().encode(secret),
        { name: "HMAC", hash: "SHA-256" },
        false,
        ["verify"],
      ),
    };
  }
  return cached.key;
}
