/**
 * Reads an attribute path as Nix spells it (`checks.x86_64-linux."a.b"`) into its components.
 * @returns null when it is not one (an open quote, an empty component).
 */
export function parseAttributePath(spelled: string): string[] | null {
  const path: string[] = [];
  let at = 0;
  for (;;) {
    const part = spelled[at] === '"' ? quoted(spelled, at + 1) : plain(spelled, at);
    if (part === null) return null;
    path.push(part.value);
    at = part.next;
    if (at === spelled.length) return path;
    if (spelled[at] !== ".") return null;
    at += 1;
  }
}

function plain(text: string, from: number): { value: string; next: number } | null {
  const found = /[^."]*/uy;
  found.lastIndex = from;
  const value = found.exec(text)?.[0] ?? "";
  return value === "" ? null : { value, next: from + value.length };
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function quoted(text: string, from: number): { value: string; next: number } | null {
  let value = "";
  for (let at = from; at < text.length; at += 1) {
    const c = text[at]!;
    if (c === '"') return { value, next: at + 1 };
    if (c === "\\") {
      at += 1;
      const escaped = text[at];
      if (escaped === undefined) return null;
      value += ESCAPES[escaped] ?? escaped;
    } else {
      value += c;
    }
  }
  return null;
}
