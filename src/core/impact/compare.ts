import { machineOf } from "./machine.ts";

/** An attribute as an evaluation has it: its selection's own name, its path, its derivation (null for an error). */
export type Evaluated = { selection: string; name: string; drv: string | null };

/**
 * How an attribute stands to the base's. `revision`: the base's tree, shown under this commit's revision, gives this very
 * derivation. `broken` evaluates on the base and not here (or is new and does not), `repaired` the reverse, `faulty` neither.
 */
export type Change =
  | "same"
  | "changed"
  | "revision"
  | "added"
  | "removed"
  | "broken"
  | "repaired"
  | "faulty";

/** How an evaluation stands to that of its base. `of` counts the attributes here; names are some of those that differ. */
export type Difference = {
  of: number;
  changed: number;
  /** By the revision alone. Runs of earlier releases do not have it. */
  revision?: number;
  added: number;
  removed: number;
  names: { kind: "changed" | "revision" | "added" | "removed"; name: string }[];
};

/** One attribute that is a machine's system. */
export type ComparedMachine = {
  machine: string;
  selection: string;
  attribute: string;
  change: Change;
  before: string | null;
  after: string | null;
};

export type Comparison = {
  difference: Difference;
  machines: ComparedMachine[];
  /** Declared, or in an inventory, and nothing that was evaluated has the name. */
  uncovered: string[];
};

/** Names that are kept of each kind: for people to look at, not for programs. */
export const NAMES = 40;
/** Machines of one comparison; what is beyond is counted among the attributes. */
export const MACHINES = 2_000;

/**
 * Compares by selection and name. The same name under another selection is another attribute. What fails to evaluate
 * before and now has not changed.
 * @param named machines that the configuration declares (whose attributes in files are theirs) and that an inventory has.
 * @param shown the base's tree under this commit's revision; null where the revision cannot be read anyway.
 */
export function compare(
  base: Iterable<Evaluated>,
  own: Iterable<Evaluated>,
  shown: Iterable<Evaluated> | null,
  { declared, inventory }: { declared: readonly string[]; inventory: readonly string[] },
): Comparison {
  const before = keyed(base);
  const under = shown === null ? null : keyed(shown);
  const names = new Set(declared);
  const covered = new Set<string>();
  const found: Difference = { of: 0, changed: 0, revision: 0, added: 0, removed: 0, names: [] };
  const noted = { changed: 0, revision: 0, added: 0, removed: 0 };
  const machines: ComparedMachine[] = [];
  const note = (one: Evaluated, change: Change, was: string | null, is: string | null): void => {
    const kind = counted(change, was === null && change === "broken");
    if (kind !== null) {
      found[kind] = (found[kind] ?? 0) + 1;
      if (noted[kind] < NAMES) found.names.push({ kind, name: one.name });
      noted[kind] += 1;
    }
    const machine = machineOf(one.selection, one.name, names);
    if (machine === null) return;
    if (change !== "removed") covered.add(machine);
    if (machines.length >= MACHINES) return;
    const { selection, name: attribute } = one;
    machines.push({ machine, selection, attribute, change, before: was, after: is });
  };
  for (const one of own) {
    found.of += 1;
    const id = key(one);
    const earlier = before.get(id);
    before.delete(id);
    const isRevision = one.drv !== null && under?.get(id)?.drv === one.drv;
    note(one, changeOf(earlier, one, isRevision), earlier?.drv ?? null, one.drv);
  }
  for (const one of before.values()) note(one, "removed", one.drv, null);
  machines.sort(
    (a, b) =>
      order(a.machine, b.machine) ||
      order(a.selection, b.selection) ||
      order(a.attribute, b.attribute),
  );
  const named = [...new Set([...declared, ...inventory])].toSorted();
  return { difference: found, machines, uncovered: named.filter((name) => !covered.has(name)) };
}

function changeOf(earlier: Evaluated | undefined, { drv }: Evaluated, isRevision: boolean): Change {
  if (earlier === undefined) return drv === null ? "broken" : "added";
  if (earlier.drv === drv) return drv === null ? "faulty" : "same";
  if (drv === null) return "broken";
  if (earlier.drv === null) return "repaired";
  return isRevision ? "revision" : "changed";
}

/** What it counts as among the attributes. */
function counted(change: Change, isNew: boolean): Difference["names"][number]["kind"] | null {
  switch (change) {
    case "same":
    case "faulty":
      return null;
    case "broken":
      return isNew ? "added" : "changed";
    case "repaired":
      return "changed";
    case "changed":
    case "revision":
    case "added":
    case "removed":
      return change;
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function keyed(evaluated: Iterable<Evaluated>): Map<string, Evaluated> {
  const found = new Map<string, Evaluated>();
  for (const one of evaluated) found.set(key(one), one);
  return found;
}

function key({ selection, name }: Evaluated): string {
  return `${selection}\u0000${name}`;
}
