import { createPrivateKey } from "node:crypto";

/** GitHub refuses tokens that live longer than ten minutes; the minute before covers clocks that differ. */
const TOKEN = { before: 60, seconds: 9 * 60 } as const;

/**
 * The App's private key as PKCS#8 PEM. GitHub hands out PKCS#1, which WebCrypto (and so octokit) does not read. Accepts
 * both, and line breaks written as `\n`, which is how a PEM survives some secret stores.
 *
 * @throws when it is no RSA private key; the message never contains any of it.
 */
export function toPkcs8(pem: string): string {
  let key;
  try {
    key = createPrivateKey(pem.includes("\\n") ? pem.replaceAll("\\n", "\n") : pem);
  } catch {
    // The parser's own message can quote its input.
    throw new Error(
      "GITHUB_APP_PRIVATE_KEY is not a PEM private key: paste the whole file that GitHub made",
    );
  }
  if (key.asymmetricKeyType !== "rsa") throw new Error("GITHUB_APP_PRIVATE_KEY is not an RSA key");
  return String(key.export({ type: "pkcs8", format: "pem" }));
}

/** A token that speaks for the App (RS256, see GitHub's "Generating a JSON Web Token"); `now` is Unix ms. */
export async function appToken(app: { id: string; pem: string }, now: number): Promise<string> {
  const seconds = Math.floor(now / 1_000);
  const head = encode({ alg: "RS256", typ: "JWT" });
  const claims = encode({ iat: seconds - TOKEN.before, exp: seconds + TOKEN.seconds, iss: app.id });
  const text = new TextEncoder().encode(`${head}.${claims}`);
  const signature = await crypto.subtle.sign(
    "RSASSA-PKCS1-v1_5",
    await importKey(toPkcs8(app.pem)),
    text,
  );
  return `${head}.${claims}.${base64url(new Uint8Array(signature))}`;
}

function importKey(pkcs8: string): Promise<CryptoKey> {
  const der = Uint8Array.from(atob(pkcs8.replaceAll(/-----[A-Z ]+-----|\s/gu, "")), (c) =>
    c.charCodeAt(0),
  );
  return crypto.subtle.importKey(
    "pkcs8",
    der,
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    false,
    ["sign"],
  );
}

function encode(value: object): string {
  return base64url(new TextEncoder().encode(JSON.stringify(value)));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
