import { createHash, type KeyObject, sign } from "node:crypto";
import {
  type ManifestHead,
  type ManifestOf,
  type ManifestPath,
  manifestText,
} from "../../protocol/machine.ts";
import { publicKeyOf } from "../enrolment/identity.ts";

/** Signs the closure of a machine's system, as the runner of an attempt, for its repository and commit. */
export type AttestClosure = (
  machine: string,
  system: string,
  paths: readonly ManifestPath[],
) => { head: ManifestHead; text: string };

/** The manifest of a closure, signed by this runner: it counts where the policy lists its key as a builder's. */
export function signClosure(
  key: KeyObject,
  of: ManifestOf,
  system: string,
  paths: readonly ManifestPath[],
): { head: ManifestHead; text: string } {
  const text = manifestText(of, system, paths);
  return {
    text,
    head: {
      digest: createHash("sha256").update(text).digest("hex"),
      system,
      paths: paths.length,
      narBytes: paths.reduce((sum, { narSize }) => sum + narSize, 0),
      signature: sign(null, Buffer.from(text), key).toString("base64"),
      builder: publicKeyOf(key),
    },
  };
}
