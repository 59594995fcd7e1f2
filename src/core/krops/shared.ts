import { type Token, tokensOf } from "./nix-text.ts";

/** KRO-13: what `config/shared.nix` takes of each machine, and whether the template machine shows it. */

export type Parameter = { name: string; /** Without a default. */ required: boolean };

/** Parameters of a file's first function: `{ domain, mail ? "x" }:` or `domain:`. Null where it is none. */
export function parametersOf(text: string): Parameter[] | null {
  const tokens = withoutName(tokensOf(text));
  const [first, second] = tokens;
  if (first?.kind === "id" && second?.text === ":") return [{ name: first.text, required: true }];
  if (first?.kind !== "sign" || first.text !== "{") return null;
  const parameters: Parameter[] = [];
  let depth = 0;
  let end = 0;
  for (const [index, { kind, text: word }] of tokens.entries()) {
    if (kind === "sign" && ["{", "(", "["].includes(word)) depth += 1;
    if (kind === "sign" && ["}", ")", "]"].includes(word)) depth -= 1;
    if (depth === 0) {
      end = index;
      break;
    }
    const before = tokens[index - 1];
    if (depth === 1 && kind === "id" && (before?.text === "{" || before?.text === ","))
      parameters.push({ name: word, required: tokens[index + 1]?.text !== "?" });
  }
  const after = tokens[end + 1]?.text;
  return end > 0 && (after === ":" || after === "@") ? parameters : null;
}

/** Without the name of the whole argument: `args@`. */
function withoutName(tokens: Token[]): Token[] {
  return tokens[0]?.kind === "id" && tokens[1]?.text === "@" ? tokens.slice(2) : tokens;
}

export type SharedChange = {
  added: string[];
  removed: string[];
  /** Parameters that must be given and that the template does not name at all. */
  notShown: string[];
};

/**
 * What changed in the parameters of the shared configuration while the template stayed as it was, and what the template
 * lacks; null where nothing needs a word.
 * @param base null where there was no such file
 */
export function sharedChange(
  base: { shared: string | null; example: string | null } | null,
  head: { shared: string | null; example: string | null },
): SharedChange | null {
  const now = head.shared === null ? null : parametersOf(head.shared);
  if (now === null || head.example === null) return null;
  const was = base === null || base.shared === null ? null : parametersOf(base.shared);
  const isTemplateKept = base !== null && base.example === head.example;
  const names = (list: readonly Parameter[] | null): string[] =>
    (list ?? []).map(({ name }) => name);
  const added = isTemplateKept && was !== null ? without(names(now), names(was)) : [];
  const removed = isTemplateKept && was !== null ? without(names(was), names(now)) : [];
  const shown = tokensOf(head.example)
    .filter(({ kind }) => kind === "id")
    .map(({ text }) => text);
  // A module's own arguments are given by the module system.
  const given = new Set([...shown, "config", "lib", "pkgs", "modulesPath", "options"]);
  const notShown = now.filter(({ name, required }) => required && !given.has(name));
  if (added.length + removed.length + notShown.length === 0) return null;
  return { added, removed, notShown: notShown.map(({ name }) => name) };
}

function without(names: readonly string[], others: readonly string[]): string[] {
  return names.filter((name) => !others.includes(name));
}
