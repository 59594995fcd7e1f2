import { type KeyObject, sign } from "node:crypto";
import type { Attestation, Attested, BuiltOutput } from "../../protocol/provenance.ts";
import { provenanceText } from "../../protocol/provenance.ts";

/** Signs what a derivation came to. */
export type Attest = (
  built: { readonly path: readonly string[]; readonly drv: string },
  outputs: readonly BuiltOutput[],
) => Attestation;

/**
 * The attestations of one attempt.
 * @param key the one that this runner enrolled.
 * @param seen how the statement's words reach the control plane: redaction stands between, and what is signed is what arrives.
 */
export function attester(
  key: KeyObject,
  source: Pick<Attested, "host" | "repository" | "sha">,
  seen: <T>(value: T) => T,
): Attest {
  return ({ path, drv }, outputs) => {
    const said = seen({ path: [...path], drv, outputs: [...outputs] });
    const text = provenanceText({ ...source, path: said.path, drv: said.drv }, said.outputs);
    return {
      outputs: said.outputs,
      signature: sign(null, Buffer.from(text), key).toString("base64"),
    };
  };
}
