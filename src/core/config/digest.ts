import type { JudgeReason } from "../repo/request.ts";
import type { Resolved } from "./resolve.ts";

/** SHA-256 of a text, in hex. */
export type Hash = (text: string) => Promise<string>;

/**
 * Digest of what a run of this kind looks at and requires; part of a judged tree's key. Two configurations with the same
 * digest judge the same tree alike: limits are left out, because a verdict of success does not depend on them.
 */
export function digestSelection(
  resolved: Resolved,
  reason: JudgeReason["kind"],
  hash: Hash,
): Promise<string> {
  const selections = resolved.selections.map((selection, index) => ({
    selection,
    required: resolved.required[index],
  }));
  return hash(
    canonical({ selections, set: resolved.sets[reason].toSorted(), revision: resolved.revision }),
  );
}

/**
 * Whether the tree alone, with the evaluator, decides what comes out: not where a flake reads its revision, and not
 * where a file is evaluated, which is impure.
 */
export function knownByTree({ selections, revision }: Resolved): boolean {
  return !revision && selections.every(({ kind }) => kind === "flake");
}

/** JSON with sorted keys: the same value is the same text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
