import { fromBase64, toBase64 } from "../../channel/bytes.ts";

/**
 * The Worker's keys that sign specifications. SPECIFICATION_KEY holds one or two Ed25519 keys (PKCS#8 DER, base64),
 * separated by a comma: the first signs, both are pinned by runners that enrol, so that a key can be changed.
 */
export class Signing {
  readonly #pairs: Promise<{ key: CryptoKey; public: string }[]>;

  constructor(secret: string) {
    this.#pairs = Promise.all(secret.split(",").slice(0, 2).map(pair));
    // Reported where it is used; an object must be able to start without.
    this.#pairs.catch(() => undefined);
  }

  /** Ed25519 over the exact text, base64. */
  async sign(text: string): Promise<string> {
    const [first] = await this.#pairs;
    if (first === undefined) throw new Error("SPECIFICATION_KEY is empty");
    return toBase64(
      new Uint8Array(
        await crypto.subtle.sign("Ed25519", first.key, new TextEncoder().encode(text)),
      ),
    );
  }

  /** Raw public keys, base64. */
  async publicKeys(): Promise<string[]> {
    return (await this.#pairs).map((each) => each.public);
  }
}

async function pair(text: string): Promise<{ key: CryptoKey; public: string }> {
  try {
    const key = await crypto.subtle.importKey("pkcs8", fromBase64(text.trim()), "Ed25519", true, [
      "sign",
    ]);
    const jwk = (await crypto.subtle.exportKey("jwk", key)) as JsonWebKey;
    return { key, public: toBase64(fromBase64(jwk.x ?? "")) };
  } catch (cause) {
    throw new Error(
      "SPECIFICATION_KEY is not an Ed25519 private key (PKCS#8 DER, base64): set it with `wrangler secret put SPECIFICATION_KEY`",
      { cause },
    );
  }
}
