/** Nix as text: enough of its words to find names in files that must not be evaluated here. It understands nothing else. */

export type Token = {
  /** `text`: a string or a path, without its quotes, interpolations as they are written. */
  kind: "id" | "text" | "sign";
  text: string;
};

/** Characters of one file that are read. */
const LONGEST = 256 * 1_024;
const ID = /[A-Za-z_][A-Za-z0-9_'-]*/uy;
/** `./a`, `../a`, `/a`, `~/a`, `<a/b>`, `https://a`. */
const PATH =
  /<[A-Za-z0-9._+/-]+>|[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9%/?:@&=+$,_.!~*'-]+|(?:\.{1,2}|~)?\/[A-Za-z0-9._+-]+(?:\/[A-Za-z0-9._+-]+)*/uy;
const SPACE = /[\s]+|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/uy;
const SIGN = /\.\.\.|==|!=|<=|>=|\+\+|->|&&|\|\||\/\/|[\s\S]/uy;

/** Words of a file, without comments. Of what is no Nix it makes what it can. */
export function tokensOf(source: string): Token[] {
  const text = source.slice(0, LONGEST);
  const tokens: Token[] = [];
  const at = (pattern: RegExp, from: number): string | null => {
    pattern.lastIndex = from;
    return pattern.exec(text)?.[0] ?? null;
  };
  for (let index = 0; index < text.length;) {
    const space = at(SPACE, index);
    if (space !== null) {
      index += space.length;
      continue;
    }
    const quote = text[index] === '"' ? '"' : text.startsWith("''", index) ? "''" : null;
    if (quote !== null) {
      const end = endOfString(text, index + quote.length, quote);
      tokens.push({ kind: "text", text: text.slice(index + quote.length, end) });
      index = end + quote.length;
      continue;
    }
    const path = at(PATH, index);
    const id = path === null ? at(ID, index) : null;
    const word = path ?? id ?? at(SIGN, index) ?? "";
    tokens.push({ kind: path === null ? (id === null ? "sign" : "id") : "text", text: word });
    index += Math.max(1, word.length);
  }
  return tokens;
}

/** Where a string's closing quote begins; the text's end where it has none. */
function endOfString(text: string, from: number, quote: '"' | "''"): number {
  let index = from;
  while (index < text.length) {
    if (quote === '"' && text[index] === "\\") index += 2;
    else if (quote === "''" && /^''(?:\$|'|\\)/u.test(text.slice(index, index + 3))) index += 3;
    else if (text.startsWith("$${", index)) index += 3;
    else if (text.startsWith("${", index)) index = endOfInterpolation(text, index + 2);
    else if (text.startsWith(quote, index)) return index;
    else index += 1;
  }
  return text.length;
}

/** Behind its closing brace. Strings within it may hold braces of their own. */
function endOfInterpolation(text: string, from: number): number {
  let depth = 1;
  let index = from;
  while (index < text.length && depth > 0) {
    const quote = text[index] === '"' ? '"' : text.startsWith("''", index) ? "''" : null;
    if (quote !== null) {
      index = endOfString(text, index + quote.length, quote) + quote.length;
      continue;
    }
    if (text[index] === "{") depth += 1;
    if (text[index] === "}") depth -= 1;
    index += 1;
  }
  return index;
}

/** `name = …;` with the words of its value. */
export type Binding = { name: string; value: Token[] };
export type Outline = {
  /** Of the file's own `let` and sets, and of sets that are a binding's whole value. */
  bindings: Binding[];
  /** Names in `inherit …;`. */
  inherited: string[];
};

/** What a file binds and inherits, as far as its words say. */
export function outlineOf(tokens: readonly Token[]): Outline {
  const outline: Outline = { bindings: [], inherited: [] };
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token?.kind === "id" && token.text === "inherit") {
      const end = endOfValue(tokens, index + 1);
      outline.inherited.push(...inheritedIn(tokens.slice(index + 1, end)));
      index = end;
      continue;
    }
    const equals = isBinder(tokens, index) ? equalsAfter(tokens, index) : null;
    if (token === undefined || equals === null) continue;
    const end = endOfValue(tokens, equals + 1);
    const value = tokens.slice(equals + 1, end);
    outline.bindings.push({ name: token.text, value });
    if (isSet(value)) {
      const inner = outlineOf(value);
      outline.bindings.push(...inner.bindings);
      outline.inherited.push(...inner.inherited);
    }
    index = end;
  }
  return outline;
}

/** Names of `inherit a b` and `inherit (from) a b`. */
function inheritedIn(tokens: readonly Token[]): string[] {
  let depth = 0;
  return tokens.flatMap(({ kind, text }) => {
    if (kind === "sign" && text === "(") depth += 1;
    if (kind === "sign" && text === ")") depth -= 1;
    return depth === 0 && kind !== "sign" ? [text] : [];
  });
}

function isBinder(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  return (
    tokens[index]?.kind !== "sign" &&
    before !== undefined &&
    ["{", ";", "let"].includes(before.text) &&
    before.kind !== "text"
  );
}

/** The `=` of `a = `, `"a" = ` or `a.b = `. */
function equalsAfter(tokens: readonly Token[], index: number): number | null {
  for (let next = index + 1; next < tokens.length; next += 2) {
    const sign = tokens[next];
    if (sign?.kind !== "sign") return null;
    if (sign.text === "=") return next;
    if (sign.text !== ".") return null;
  }
  return null;
}

function isSet(value: readonly Token[]): boolean {
  const [first, second] = value;
  const open = first?.text === "rec" ? second : first;
  return open?.kind === "sign" && open.text === "{" && value.at(-1)?.text === "}";
}

/** The `;` that ends a value. `with x;` and `assert x;` within it do not, nor does what stands in brackets or `let`. */
function endOfValue(tokens: readonly Token[], from: number): number {
  let depth = 0;
  let heads = 0;
  for (let index = from; index < tokens.length; index += 1) {
    const { kind, text } = tokens[index] ?? { kind: "sign", text: "" };
    if (kind === "text") continue;
    if (["(", "{", "[", "let"].includes(text)) depth += 1;
    else if ([")", "}", "]", "in"].includes(text)) depth -= 1;
    else if (depth === 0 && (text === "with" || text === "assert")) heads += 1;
    else if (depth === 0 && text === ";") {
      if (heads === 0) return index;
      heads -= 1;
    }
    if (depth < 0) return index;
  }
  return tokens.length;
}
