/**
 * Whether a set's pattern names an attribute path. Patterns are components between dots; `*` is any one component, and
 * a last `*` is everything below: `*` is all, `checks.*` every check of every system, `packages.*.hello` is one package
 * on every system. A component with a dot is quoted, as Nix does.
 */
export function matches(pattern: string, path: readonly string[]): boolean {
  const parts = components(pattern);
  const rest = parts.at(-1) === "*";
  if (rest ? path.length < parts.length : path.length !== parts.length) return false;
  return parts.every((part, index) => part === "*" || part === path[index]);
}

export function inSet(patterns: readonly string[], path: readonly string[]): boolean {
  return patterns.some((pattern) => matches(pattern, path));
}

function components(pattern: string): string[] {
  const found = pattern.match(/"(?:[^"\\]|\\.)*"|[^.]+/gu) ?? [];
  return found.map((part) =>
    part.startsWith('"') ? part.slice(1, -1).replace(/\\(.)/gu, "$1") : part,
  );
}
