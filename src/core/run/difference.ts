/** An attribute as an evaluation has it: its selection's own name, its path, its derivation (null for an error). */
export type Evaluated = { selection: string; name: string; drv: string | null };

/** How an evaluation stands to that of its base. `of` counts the attributes here; names are some of those that differ. */
export type Difference = {
  of: number;
  changed: number;
  added: number;
  removed: number;
  names: { kind: "changed" | "added" | "removed"; name: string }[];
};

/** Names that are kept of each kind: for people to look at, not for programs. */
export const NAMES = 40;

/**
 * Compares by selection and name. The same name under another selection is another attribute. What fails to evaluate
 * before and now has not changed.
 */
export function difference(base: Iterable<Evaluated>, own: Iterable<Evaluated>): Difference {
  const before = new Map<string, Evaluated>();
  for (const one of base) before.set(key(one), one);
  const found: Difference = { of: 0, changed: 0, added: 0, removed: 0, names: [] };
  const note = (kind: "changed" | "added" | "removed", { name }: Evaluated): void => {
    found[kind] += 1;
    if (found[kind] <= NAMES) found.names.push({ kind, name });
  };
  for (const one of own) {
    found.of += 1;
    const earlier = before.get(key(one));
    if (earlier === undefined) note("added", one);
    else if (earlier.drv !== one.drv) note("changed", one);
    before.delete(key(one));
  }
  for (const one of before.values()) note("removed", one);
  return found;
}

function key({ selection, name }: Evaluated): string {
  return `${selection}\u0000${name}`;
}
