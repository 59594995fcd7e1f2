import { createHash, X509Certificate } from "node:crypto";
import { HostKey } from "../../../../protocol/machine.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/gu;

/**
 * Who a cluster is: the SHA-256 of its authority's certificate (DER), written like a host key's. Whatever answers at an address
 * must show a certificate of that authority, so the authority is to a cluster what a host key is to a machine.
 * @param pem one certificate; null for none and for a bundle, since then nobody could say which one counts.
 */
export function authorityFingerprint(pem: string): HostKey | null {
  const found = pem.match(CERTIFICATE) ?? [];
  const [only] = found;
  if (only === undefined || found.length !== 1) return null;
  let der: Buffer;
  try {
    der = new X509Certificate(only).raw;
  } catch {
    // Text between the right lines that is no certificate: nobody's authority.
    return null;
  }
  const hash = createHash("sha256").update(der).digest("base64").replace(/=+$/u, "");
  return HostKey.parse(`SHA256:${hash}`);
}
