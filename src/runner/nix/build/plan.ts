import type { Graph } from "../store/derivations.ts";

/** What has to be built for some goals, and how it hangs together. */
export interface Need {
  /** Derivations to be built, each with those of its inputs that have to be built too. */
  readonly below: ReadonlyMap<string, readonly string[]>;
}

/**
 * Follows the goals down as far as something is missing. An input is needed only for the outputs that are used of it.
 * @param valid whether an output path is in the store.
 */
export function need(
  goals: Iterable<string>,
  graph: Graph,
  valid: (path: string) => boolean,
): Need {
  const below = new Map<string, string[]>();
  const visit = [...goals].map((drv) => ({ drv, outputs: null as readonly string[] | null }));
  for (let next = visit.pop(); next !== undefined; next = visit.pop()) {
    const { drv, outputs } = next;
    if (below.has(drv) || !isMissing(graph, drv, outputs, valid)) continue;
    const inputs: string[] = [];
    below.set(drv, inputs);
    for (const [input, used] of graph.get(drv)?.inputs ?? []) {
      if (!isMissing(graph, input, used, valid)) continue;
      inputs.push(input);
      visit.push({ drv: input, outputs: used });
    }
  }
  return { below };
}

/** What is left of a need when only these are built. */
export function within({ below }: Need, built: ReadonlySet<string>): Need {
  return {
    below: new Map(
      [...below]
        .filter(([drv]) => built.has(drv))
        .map(([drv, inputs]) => [drv, inputs.filter((input) => built.has(input))]),
    ),
  };
}

function isMissing(
  graph: Graph,
  drv: string,
  outputs: readonly string[] | null,
  valid: (path: string) => boolean,
): boolean {
  const node = graph.get(drv);
  if (node === undefined) return true;
  return (outputs ?? [...node.outputs.keys()]).some((output) => {
    const path = node.outputs.get(output);
    return path == null || !valid(path);
  });
}

/** Goals that share nothing with others that has to be built; built by one process, nothing is built twice. */
export interface Component {
  readonly goals: readonly string[];
  /** Everything of it that has to be built. */
  readonly members: readonly string[];
}

export function components(goals: readonly string[], { below }: Need): Component[] {
  const parent = new Map<string, string>();
  const find = (drv: string): string => {
    let root = drv;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root))
      root = up;
    for (let at = drv; at !== root;) {
      const up = parent.get(at)!;
      parent.set(at, root);
      at = up;
    }
    return root;
  };
  const reached = reach(goals, below);
  for (const drv of reached) parent.set(drv, drv);
  for (const drv of reached)
    for (const input of below.get(drv) ?? []) parent.set(find(drv), find(input));
  const found = new Map<string, { goals: string[]; members: string[] }>();
  const at = (drv: string): { goals: string[]; members: string[] } => {
    const root = find(drv);
    let component = found.get(root);
    if (component === undefined) found.set(root, (component = { goals: [], members: [] }));
    return component;
  };
  for (const drv of reached) at(drv).members.push(drv);
  for (const goal of new Set(goals)) if (below.has(goal)) at(goal).goals.push(goal);
  return [...found.values()];
}

export function reach(goals: Iterable<string>, below: Need["below"]): Set<string> {
  const seen = new Set<string>();
  const visit = [...goals].filter((goal) => below.has(goal));
  for (let drv = visit.pop(); drv !== undefined; drv = visit.pop()) {
    if (seen.has(drv)) continue;
    seen.add(drv);
    visit.push(...(below.get(drv) ?? []));
  }
  return seen;
}

/** Derivations that one process is given at most; Nix is slow with thousands of goals. */
export const BATCH = 50;

/**
 * The first part of a component that is too large for one process: dependencies that several others wait for, deepest
 * first, as many as make one batch. What stands on them follows once they are settled, and is not tried when they fail.
 * Empty when nothing is shared.
 */
export function peel(component: Component, { below }: Need): string[] {
  const dependents = new Map<string, number>();
  for (const drv of component.members)
    for (const input of below.get(drv) ?? [])
      dependents.set(input, (dependents.get(input) ?? 0) + 1);
  const goals = new Set(component.goals);
  const shared = (drv: string): boolean =>
    (dependents.get(drv) ?? 0) + (goals.has(drv) ? 1 : 0) > 1;
  const taken = new Set<string>();
  const chosen: string[] = [];
  for (const drv of depthFirst(component.members, below)) {
    if (!shared(drv)) continue;
    const more = [...reach([drv], below)].filter((member) => !taken.has(member));
    if (chosen.length > 0 && taken.size + more.length > BATCH) break;
    for (const member of more) taken.add(member);
    chosen.push(drv);
  }
  return chosen;
}

/** Inputs before what is made of them. */
export function depthFirst(members: readonly string[], below: Need["below"]): string[] {
  const order: string[] = [];
  const seen = new Set<string>();
  for (const start of members) {
    const stack: { drv: string; next: number }[] = [{ drv: start, next: 0 }];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      if (top.next === 0 && seen.has(top.drv)) {
        stack.pop();
        continue;
      }
      seen.add(top.drv);
      const input = (below.get(top.drv) ?? [])[top.next];
      top.next += 1;
      if (input === undefined) {
        order.push(top.drv);
        stack.pop();
      } else if (!seen.has(input)) stack.push({ drv: input, next: 0 });
    }
  }
  return order;
}

/** For everything that has to be built: the failed derivation below it that keeps it from being tried. */
export function blocked(
  { below }: Need,
  failed: { has(drv: string): boolean },
): Map<string, string> {
  const causes = new Map<string, string>();
  for (const drv of depthFirst([...below.keys()], below)) {
    const inputs = (below.get(drv) ?? []).toSorted();
    const cause =
      inputs.find((input) => failed.has(input)) ??
      inputs.map((input) => causes.get(input)).find((found) => found !== undefined);
    if (cause !== undefined) causes.set(drv, cause);
  }
  return causes;
}
