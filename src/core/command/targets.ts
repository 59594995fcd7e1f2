/** What was enumerated: a machine with its tags and roles, or a test, which has neither. */
export type Target = { name: string; tags: readonly string[]; roles: readonly string[] };

export type Matched<T extends Target> = {
  /** In the order of the enumeration, each once. */
  targets: T[];
  /** Patterns that nothing fits. Whoever typed one is told, and nothing is done. */
  unmatched: string[];
};

/**
 * What patterns stand for: a name, a glob (`*` any characters, `?` one), `tag:a,b` (has all of them), `role:x`. Only what
 * was enumerated comes out; no pattern, nothing.
 */
export function matchTargets<T extends Target>(
  patterns: readonly string[],
  enumerated: readonly T[],
): Matched<T> {
  const fits = patterns.map((pattern) => ({ pattern, test: tester(pattern), used: false }));
  const targets = enumerated.filter((target) => {
    const fitting = fits.filter(({ test }) => test(target));
    for (const fit of fitting) fit.used = true;
    return fitting.length > 0;
  });
  return { targets, unmatched: fits.filter(({ used }) => !used).map(({ pattern }) => pattern) };
}

function tester(pattern: string): (target: Target) => boolean {
  if (pattern.startsWith("tag:")) {
    const wanted = pattern.slice("tag:".length).split(",");
    return ({ tags }) => wanted.every((tag) => tags.includes(tag));
  }
  if (pattern.startsWith("role:")) {
    const role = pattern.slice("role:".length);
    return ({ roles }) => roles.includes(role);
  }
  return ({ name }) => globs(pattern, name);
}

/** Without backtracking over more than the last star: linear in practice, whatever the pattern. */
export function globs(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star: { p: number; n: number } | null = null;
  while (n < name.length) {
    const wanted = pattern.charAt(p);
    if (wanted === "*") {
      star = { p, n };
      p += 1;
    } else if (p < pattern.length && (wanted === "?" || wanted === name.charAt(n))) {
      p += 1;
      n += 1;
    } else if (star !== null) {
      star.n += 1;
      n = star.n;
      p = star.p + 1;
    } else return false;
  }
  while (pattern.charAt(p) === "*") p += 1;
  return p === pattern.length;
}
