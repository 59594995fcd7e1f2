import { fromBase64, toBase64Url } from "../../channel/bytes.ts";
import { AttemptClaims } from "../../channel/claims.ts";
import { mac, sameBytes } from "./secrets.ts";

const VERSION = "snowcat-attempt-1";

/**
 * Bearer token of one attempt: `<version>.<claims, base64url JSON>.<HMAC-SHA-256, base64url>`. Whoever has it speaks for
 * the attempt on the run and log channels and may ask for the clone token, until `expiresAt` or the next attempt.
 */
export function mint(key: string, claims: AttemptClaims): string {
  const text = `${VERSION}.${toBase64Url(new TextEncoder().encode(JSON.stringify(claims)))}`;
  return `${text}.${toBase64Url(mac(key, text))}`;
}

/**
 * The claims of a token, or why it is refused. The caller still asks the object whether the attempt is current.
 * Host and expiry are compared here; the MAC in constant time.
 */
export function verify(
  key: string,
  token: string,
  host: string,
  now: number,
): AttemptClaims | { refused: string } {
  if (token.length > 4_096) return { refused: "the token is too long" };
  const [version, payload, signature, ...rest] = token.split(".");
  if (version !== VERSION || payload === undefined || signature === undefined || rest.length > 0)
    return { refused: "not an attempt's token" };
  if (!sameBytes(mac(key, `${version}.${payload}`), fromBase64(signature)))
    return { refused: "the token is not ours" };
  const parsed = AttemptClaims.safeParse(JSON.parse(new TextDecoder().decode(fromBase64(payload))));
  if (!parsed.success) return { refused: "the token is from another release" };
  if (parsed.data.host !== host) return { refused: "the token is for another host" };
  if (parsed.data.expiresAt <= now) return { refused: "the token has expired" };
  return parsed.data;
}

/** Token of an `Authorization: Bearer …` header; null when there is none. */
export function bearer(request: Request): string | null {
  return (
    /^Bearer ([A-Za-z0-9._-]+)$/u.exec(request.headers.get("authorization") ?? "")?.[1] ?? null
  );
}
