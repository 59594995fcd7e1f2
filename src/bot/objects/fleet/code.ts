import { fromBase64, toBase64Url } from "../../channel/bytes.ts";
import { mac, sameBytes } from "./secrets.ts";

const VERSION = "snowcat-code-1";

/**
 * A new enrolment code: `<version>.<account>.<32 random bytes>.<HMAC over host and the rest>`. It names the account, so
 * that the Worker finds the Fleet object, and proves itself, so that guesses wake nobody.
 */
export function newCode(key: string, host: string, account: number): string {
  const text = `${VERSION}.${account}.${toBase64Url(crypto.getRandomValues(new Uint8Array(32)))}`;
  return `${text}.${toBase64Url(mac(key, `${host}\n${text}`))}`;
}

/** The account of a genuine code; null for anything else. Whether it is still good, the Fleet object knows. */
export function accountOfCode(key: string, host: string, code: string): number | null {
  if (code.length > 512) return null;
  const match =
    /^(snowcat-code-1\.([1-9][0-9]{0,15})\.[A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/u.exec(code);
  if (match === null) return null;
  const [, text, account, signature] = match;
  if (!sameBytes(mac(key, `${host}\n${text}`), fromBase64(signature ?? ""))) return null;
  return Number(account);
}
