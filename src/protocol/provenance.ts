import * as z from "zod";
import { ObjectName, RunnerId, StorePath } from "./identifiers.ts";

/** An output as the builder's store has registered it. */
export const BuiltOutput = z.strictObject({
  name: z.string().min(1).max(255),
  path: StorePath,
  /** SHA-256 of its archive (NAR). */
  narHash: z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/u),
  narSize: z.int().nonnegative(),
});
export type BuiltOutput = z.infer<typeof BuiltOutput>;

/** What a runner says of a derivation that succeeded, signed with the key that it enrolled. */
export const Attestation = z.strictObject({
  outputs: z.array(BuiltOutput).min(1).max(64),
  /** Ed25519 over `provenanceText`, base64. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/u),
});
export type Attestation = z.infer<typeof Attestation>;

/**
 * Who built a derivation, from what, and what came out. It stands for itself: with the key of a builder that one trusts
 * (`key`, as enrolled), the host and the repository, anybody can check it, wherever the verdict was reused since.
 */
export const Provenance = Attestation.extend({
  runner: RunnerId,
  /** The builder's Ed25519 public key, raw, base64. */
  key: z.string().max(64),
  /** The commit that was evaluated, and the attribute whose derivation it is. */
  sha: ObjectName,
  path: z.array(z.string().max(1_024)).min(1).max(32),
});
export type Provenance = z.infer<typeof Provenance>;

/** What is attested: the parts of the statement that are not the builder's own. */
export type Attested = {
  host: string;
  /** Numeric id. */
  repository: number;
  sha: string;
  path: readonly string[];
  drv: string;
};

/**
 * The exact text that is signed (its UTF-8 bytes): a line that names the format, then a JSON array without spaces:
 * `[host, repository, sha, path, drv, [[output, path, narHash, narSize], …]]`, outputs sorted by name (code units).
 */
export function provenanceText(
  { host, repository, sha, path, drv }: Attested,
  outputs: readonly BuiltOutput[],
): string {
  const sorted = outputs
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map((output) => [output.name, output.path, output.narHash, output.narSize]);
  return `snowcat-provenance-1\n${JSON.stringify([host, repository, sha, path, drv, sorted])}`;
}
