import { createPublicKey, verify } from "node:crypto";
import type { Refusal } from "../../protocol/control.ts";
import { CLOCK_SKEW } from "../../protocol/enrolment.ts";
import { Specification } from "../../protocol/specification.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Identity } from "../enrolment/identity.ts";
import { parseJson } from "./data-channel.ts";

export type Verified =
  | { ok: true; specification: Specification }
  | { ok: false; refusal: Refusal; why: string };

/**
 * Whether the control plane really says so, and may: the signature against the keys pinned at enrolment, then host,
 * account, repository, runner, pool and expiry against what this runner was enrolled for. Nothing of the text is read
 * before its signature holds.
 */
export function verifySpecification(
  offer: { specification: string; signature: string },
  identity: Identity,
  now: number,
): Verified {
  const signature = Buffer.from(offer.signature, "base64");
  const text = Buffer.from(offer.specification);
  if (!identity.specificationKeys.some((key) => verify(null, text, publicKey(key), signature)))
    return refuse("signature", "no pinned key signed the specification");
  const parsed = Specification.safeParse(parseJson(offer.specification));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(
      "format",
      `the specification is not of this protocol (at ${issue?.path.join(".") ?? ""})`,
    );
  }
  const specification = parsed.data;
  const { repository } = specification;
  if (specification.protocol !== PROTOCOL_VERSION)
    return refuse(
      "protocol",
      `protocol ${specification.protocol}, this agent speaks ${PROTOCOL_VERSION}`,
    );
  if (specification.host !== identity.host) return refuse("host", "it is for another host");
  if (specification.account !== identity.account)
    return refuse("account", "it is for another account");
  if (specification.runner !== identity.runner) return refuse("runner", "it is for another runner");
  if (specification.pool !== identity.pool)
    return refuse("pool", `it is for pool ${specification.pool}, this runner is ${identity.pool}`);
  if (identity.repositories !== null && !identity.repositories.includes(repository.id))
    return refuse("repository", "this runner does not serve the repository");
  if (specification.expiresAt <= now) return refuse("expired", "it has expired");
  if (specification.issuedAt > now + CLOCK_SKEW)
    return refuse("clock", "it is from the future: a clock is wrong");
  return { ok: true, specification };
}

const refuse = (refusal: Refusal, why: string): Verified => ({ ok: false, refusal, why });

function publicKey(raw: string) {
  return createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(raw, "base64").toString("base64url") },
    format: "jwk",
  });
}
