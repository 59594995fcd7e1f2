import { canonical } from "./digest.ts";
import { DEFAULT_EVALUATE } from "./resolve.ts";
import type { Configuration } from "./schema.ts";

/** Differences that are named; how many more there are is said. */
const NAMED = 12;

/**
 * How `to` differs from `from`, in words: `adds tests.smoke, removes policy.trusted, changes limits.build_seconds`. Empty
 * where both mean the same, however they are written. Names are as somebody wrote them.
 */
export function describeChange(from: Configuration, to: Configuration): string {
  const before = meanings(from);
  const after = meanings(to);
  const added = [...after.keys()].filter((name) => !before.has(name));
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const changed = [...after.keys()].filter(
    (name) => before.has(name) && before.get(name) !== after.get(name),
  );
  const all = [
    // What is not looked at or not asked for any more is what a reviewer must see.
    ...removed.map((name) => ["removes", name] as const),
    ...changed.map((name) => ["changes", name] as const),
    ...added.map((name) => ["adds", name] as const),
  ];
  const named = all.slice(0, NAMED);
  const parts = (["removes", "changes", "adds"] as const).flatMap((verb) => {
    const names = named.flatMap(([kind, name]) => (kind === verb ? [name] : []));
    return names.length === 0 ? [] : [`${verb} ${names.join(", ")}`];
  });
  if (all.length > named.length) parts.push(`and ${all.length - named.length} more`);
  return parts.join("; ");
}

/** What a configuration says, by names that people know; two that mean the same have the same. */
function meanings(configuration: Configuration): Map<string, string> {
  const found = new Map<string, string>();
  const { evaluate = DEFAULT_EVALUATE, sets = {}, version: _, ...others } = configuration;
  for (const entry of evaluate) {
    const { attributes = ["the usual outputs"], ...rest } = entry;
    const place = "flake" in entry ? entry.flake : entry.file;
    for (const attribute of attributes) {
      const name = `evaluate ${attribute} of ${place}`;
      // The same attribute under other rules (systems, arguments) is a change of it.
      found.set(
        name,
        [...(found.get(name)?.split("\n") ?? []), canonical(rest)].toSorted().join("\n"),
      );
    }
  }
  for (const set of ["push", "pull_request", "merge_queue"] as const)
    for (const pattern of sets[set] ?? ["*"]) found.set(`sets.${set} ${pattern}`, "");
  for (const [key, value] of Object.entries(others))
    for (const [name, inner] of Object.entries(value ?? {}))
      found.set(`${key}.${name}`, canonical(inner));
  return found;
}
