/**
 * The line (from 1) of a key in a JSON text that parses: of the innermost of `path` that is there. Names may hold
 * anything, so the text is read as JSON and not searched.
 */
export function lineOf(text: string, path: readonly string[]): number {
  let best = 0;
  let matched = 0;
  /** Keys on the way to where the reader is; null for an array's elements. */
  const way: (string | null)[] = [];
  let key: string | null = null;
  for (const { index, 0: token } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gsu)) {
    switch (token) {
      case "{":
      case "[":
        way.push(key);
        key = null;
        break;
      case "}":
      case "]":
        way.pop();
        key = null;
        break;
      case ",":
        key = null;
        break;
      case ":":
        break;
      default:
        if (
          key !== null ||
          !/^\s*:/u.test(text.slice(index + token.length, index + token.length + 64))
        )
          break;
        key = JSON.parse(token) as string;
        // The outermost brace has no key.
        if (
          way.length === matched + 1 &&
          path[matched] === key &&
          way.slice(1).every((part, at) => part === path[at])
        ) {
          matched += 1;
          best = index;
        }
    }
    if (matched === path.length) break;
  }
  return text.slice(0, best).split("\n").length;
}
