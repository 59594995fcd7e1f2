import { globs } from "../command/targets.ts";

/**
 * Whether a set's pattern names an attribute path. Patterns are components between dots; `*` is any one component (within
 * one, any characters, and `?` any one), and a last `*` is everything below: `*` is all, `checks.*` every check of every
 * system, `packages.*.hello` is one package on every system. A first `**` is everything above: `**.hello` is what is called
 * so anywhere. A component with a dot is quoted, as Nix does.
 */
export function matches(pattern: string, path: readonly string[]): boolean {
  const [first, ...tail] = components(pattern);
  if (first === "**" && tail.length > 0)
    return path.length >= tail.length && fits(tail, path.slice(-tail.length));
  return fits(components(pattern), path);
}

function fits(parts: readonly string[], path: readonly string[]): boolean {
  const rest = parts.at(-1) === "*";
  if (rest ? path.length < parts.length : path.length !== parts.length) return false;
  return parts.every((part, index) => index < path.length && isNamed(part, path[index]!));
}

function isNamed(part: string, name: string): boolean {
  return /[*?]/u.test(part) ? globs(part, name) : part === name;
}

export function inSet(patterns: readonly string[], path: readonly string[]): boolean {
  return patterns.some((pattern) => matches(pattern, path));
}

/**
 * Whether a pattern may name something at or below a path. What cannot be evaluated hides all that is below it, and is as
 * required as that.
 */
export function reaches(patterns: readonly string[], path: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const parts = components(pattern);
    if (parts[0] === "**") return true;
    return path.every((part, index) => {
      const wanted = index < parts.length ? parts[index] : parts.at(-1) === "*" ? "*" : null;
      return wanted != null && isNamed(wanted, part);
    });
  });
}

/**
 * The patterns of a set that must name something: all but `*`, and all of a kind of outputs that is looked at anyway
 * (`checks.*`), which a flake need not have. Of the others a misspelt one would be green for nothing.
 */
export function expected(
  set: readonly string[],
  selections: readonly { attributes: readonly string[] }[],
): string[] {
  const looked = new Set(selections.flatMap(({ attributes }) => attributes));
  return [...new Set(set)].filter((pattern) => {
    const parts = components(pattern);
    if (parts.every((part) => part === "*")) return false;
    return !(
      parts.length > 1 &&
      parts.slice(1).every((part) => part === "*") &&
      looked.has(parts[0]!)
    );
  });
}

function components(pattern: string): string[] {
  const found = pattern.match(/"(?:[^"\\]|\\.)*"|[^.]+/gu) ?? [];
  return found.map((part) =>
    part.startsWith('"') ? part.slice(1, -1).replace(/\\(.)/gu, "$1") : part,
  );
}
