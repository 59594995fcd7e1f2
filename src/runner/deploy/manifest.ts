import { createHash, createPublicKey, verify } from "node:crypto";
import {
  MANIFEST_PATHS,
  type ManifestHead,
  type ManifestOf,
  ManifestPath,
  manifestText,
} from "../../protocol/machine.ts";

export type CheckedManifest =
  | { kind: "checked"; paths: readonly ManifestPath[] }
  | { kind: "refused"; why: string };

/**
 * Whether a listed builder says, of this very repository, commit and machine, that the system's closure is these paths with
 * these hashes. Nothing of the text is read before its signature holds.
 * @param text as it came, whoever kept it meanwhile.
 * @param builders public keys, raw, base64.
 */
export function checkManifest(
  head: ManifestHead,
  text: string,
  of: ManifestOf,
  builders: readonly string[],
): CheckedManifest {
  if (!builders.includes(head.builder)) return refuse("its builder is not listed");
  const bytes = Buffer.from(text);
  if (createHash("sha256").update(bytes).digest("hex") !== head.digest)
    return refuse("its text is not the one that was named");
  if (!verify(null, bytes, publicKey(head.builder), Buffer.from(head.signature, "base64")))
    return refuse("its builder did not sign it");
  const paths = pathsOf(text);
  // Written again from what was understood: a text that says anything more, or of anybody else, differs.
  if (paths === null || manifestText(of, head.system, paths) !== text)
    return refuse("it is for another repository, commit, machine or system");
  if (paths.length !== head.paths || new Set(paths.map(({ path }) => path)).size !== paths.length)
    return refuse("its paths are not as many as were named");
  if (paths.reduce((sum, { narSize }) => sum + narSize, 0) !== head.narBytes)
    return refuse("its size is not the one that was named");
  if (!paths.some(({ path }) => path === head.system))
    return refuse("its system is not among its paths");
  return { kind: "checked", paths };
}

/** The lines after the two of the head; null where one is none of `path narHash narSize`. */
function pathsOf(text: string): ManifestPath[] | null {
  const lines = text.split("\n").slice(2, -1);
  if (lines.length === 0 || lines.length > MANIFEST_PATHS) return null;
  const paths: ManifestPath[] = [];
  for (const line of lines) {
    const [path, narHash, narSize] = line.split(" ");
    const parsed = ManifestPath.safeParse({ path, narHash, narSize: Number(narSize) });
    if (!parsed.success) return null;
    paths.push(parsed.data);
  }
  return paths;
}

function publicKey(raw: string) {
  return createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(raw, "base64").toString("base64url") },
    format: "jwk",
  });
}

const refuse = (why: string): CheckedManifest => ({
  kind: "refused",
  why: `the manifest is refused: ${why}`,
});
