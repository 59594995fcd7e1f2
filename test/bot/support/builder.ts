import { generateKeyPairSync, sign } from "node:crypto";
import { env } from "cloudflare:test";
import type { AttributeResult } from "../../../src/protocol/attribute.ts";
import { type Provenance, provenanceText } from "../../../src/protocol/provenance.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");

/** The enrolled key of the runner in tests of a Run: raw, base64. */
export const BUILDER_KEY = toRaw(publicKey.export({ format: "jwk" })["x"]);

function toRaw(x: unknown): string {
  const text = String(x).replaceAll("-", "+").replaceAll("_", "/");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

/** A result as the runner of tests tells it: a success is signed. */
export function signed(result: AttributeResult, repository: number, sha: string): AttributeResult {
  const { verdict, path, drv } = result;
  if (verdict.kind !== "succeeded" || result.attestation !== undefined) return result;
  const outputs = [
    {
      name: "out",
      path: drv.replace(/\.drv$/u, ""),
      narHash: `sha256-${"A".repeat(43)}=`,
      narSize: 120,
    },
  ];
  const text = provenanceText({ host: env.GITHUB_HOST, repository, sha, path, drv }, outputs);
  const signature = sign(null, new TextEncoder().encode(text), privateKey);
  return {
    ...result,
    attestation: { outputs, signature: btoa(String.fromCharCode(...signature)) },
  };
}

/** As a verdict that is known from before has it. */
export function knownProvenance(drv: string): Provenance {
  return {
    outputs: [
      {
        name: "out",
        path: drv.replace(/\.drv$/u, ""),
        narHash: `sha256-${"B".repeat(43)}=`,
        narSize: 96,
      },
    ],
    signature: `${"C".repeat(86)}==`,
    runner: "r0",
    key: BUILDER_KEY,
    sha: "9".repeat(40),
    path: ["packages", "x86_64-linux", "known"],
  };
}
