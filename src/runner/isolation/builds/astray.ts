/** Looks in a row after which a build that always has a process outside its group is forking away from it. */
export const ASTRAY = 5;

/**
 * Tells builds that fork faster than they are sorted from those that have just begun. A builder starts outside its group,
 * and so does what it forks until it is sorted; whatever is started from then on is in the group already. Under load new
 * ones are outside at every look. The same build in every pass of several looks in a row is no beginning.
 */
export class Astray {
  readonly #looks = new Map<string, number>();

  /**
   * One look. @param passes for each time that all processes were sorted, the builds that had one outside.
   * @returns builds that are to be ended.
   */
  look(passes: readonly ReadonlySet<string>[]): string[] {
    const always = inAll(passes);
    for (const build of this.#looks.keys()) if (!always.has(build)) this.#looks.delete(build);
    for (const build of always) this.#looks.set(build, (this.#looks.get(build) ?? 0) + 1);
    return [...always].filter((build) => (this.#looks.get(build) ?? 0) >= ASTRAY);
  }
}

/** Builds that are in each of them. */
export function inAll(passes: readonly ReadonlySet<string>[]): Set<string> {
  const [first = new Set<string>(), ...rest] = passes;
  return rest.reduce((always: Set<string>, seen) => always.intersection(seen), new Set(first));
}
