import { canonical } from "./digest.ts";
import type { Configuration, Evaluate } from "./schema.ts";
import { DEFAULT_ATTRIBUTES, DEFAULT_EVALUATE } from "./resolve.ts";

/**
 * The configuration of a pull request's own run: the default branch's, and what somebody with write proposes to add to
 * `evaluate`, `sets.pull_request` and `tests`. It never removes what the default branch requires, and nothing else that
 * is proposed counts (limits, policy, machines, import from derivation, …).
 */
export function merge(base: Configuration, proposed: Configuration): Configuration {
  const merged: Configuration = { ...base };
  if (proposed.evaluate !== undefined)
    merged.evaluate = addEntries(base.evaluate ?? DEFAULT_EVALUATE, proposed.evaluate);
  // Nothing said is everything: there is nothing to add to it.
  const patterns = base.sets?.pull_request;
  const more = proposed.sets?.pull_request;
  if (patterns !== undefined && more !== undefined) {
    merged.sets = { ...base.sets, pull_request: [...new Set([...patterns, ...more])] };
  }
  // A test of the same name stays as the default branch has it.
  if (proposed.tests !== undefined) merged.tests = { ...proposed.tests, ...base.tests };
  return merged;
}

/** As many as a specification takes; the base's come first, so none of them is cut. */
const MOST_ENTRIES = 64;

/** Entries of the base stay as they are; of the proposed ones, those attributes are added that no equal entry has. */
function addEntries(base: readonly Evaluate[], proposed: readonly Evaluate[]): Evaluate[] {
  const entries = [...base];
  for (const entry of proposed) {
    const same = entries.filter((known) => key(known) === key(entry));
    const have = new Set(same.flatMap(attributesOf));
    const added = attributesOf(entry).filter((attribute) => !have.has(attribute));
    if (added.length > 0 && entries.length < MOST_ENTRIES)
      entries.push({ ...entry, attributes: added, import_from_derivation: allowed(same) });
  }
  return entries;
}

/** Only the default branch lets evaluation build, and only where it does so for all of the same flake or file. */
function allowed(same: readonly Evaluate[]): true | undefined {
  return same.length > 0 && same.every((entry) => entry.import_from_derivation === true)
    ? true
    : undefined;
}

function attributesOf(entry: Evaluate): readonly string[] {
  return entry.attributes ?? DEFAULT_ATTRIBUTES;
}

/** Two entries with the same key differ in their attributes only. */
function key(entry: Evaluate): string {
  return "flake" in entry
    ? canonical(["flake", entry.flake, entry.systems?.toSorted() ?? null, entry.revision ?? false])
    : canonical(["file", entry.file, entry.args ?? {}]);
}
