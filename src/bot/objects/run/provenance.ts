import { createPublicKey, verify } from "node:crypto";
import type { Builder } from "../../../core/run/index.ts";
import type { AttributeResult } from "../../../protocol/attribute.ts";
import { provenanceText } from "../../../protocol/provenance.ts";
import { fromBase64, toBase64Url } from "../../channel/bytes.ts";
import type { AttemptClaims } from "../../channel/index.ts";
import type { Header } from "./rows.ts";

/** Who speaks for an attempt: the key is what the Fleet had enrolled when it handed the attempt out. */
export function builderOf(run: Header, { runner, key }: AttemptClaims): Builder {
  if (run.source === null) throw new Error(`run ${run.id} has results and no source`);
  return { runner, key, sha: run.source.sha };
}

/** Why a batch of results is not believed: a success that its runner has not signed. Null where all are well. */
export function unproven(
  run: Header,
  claims: AttemptClaims,
  results: readonly AttributeResult[],
): string | null {
  const { key, sha } = builderOf(run, claims);
  const publicKey = imported(key);
  if (publicKey === null) return `runner ${claims.runner} has no enrolled key (any more)`;
  for (const { path, drv, verdict, attestation } of results) {
    if (verdict.kind !== "succeeded") continue;
    if (attestation === undefined) return `${drv} is said to be built, and nobody has signed it`;
    const { host, repository } = run.identity;
    const text = provenanceText(
      { host, repository: repository.id, sha, path, drv },
      attestation.outputs,
    );
    const signature = fromBase64(attestation.signature);
    if (!verify(null, new TextEncoder().encode(text), publicKey, signature))
      return `${drv} is not signed with the key that runner ${claims.runner} enrolled`;
  }
  return null;
}

function imported(key: string): ReturnType<typeof createPublicKey> | null {
  const raw = fromBase64(key);
  if (raw.length !== 32) return null;
  return createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: toBase64Url(raw) },
    format: "jwk",
  });
}
