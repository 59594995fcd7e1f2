/**
 * What a line stands below, in the same paragraph, that may take it in: a quote, which goes on over following lines;
 * markup that is not closed on its own line (code, a tag, a link's title), in which a line can be out of sight; a comment,
 * which nobody is meant to see. `lost`: what the line is in cannot be told.
 */
export type Below = "quote" | "markup" | "comment" | "lost";

/** What the line after `text` stands below; `above` is what `text` itself does. */
export function below(above: Below | null, text: string): Below | null {
  // Whatever the rest of the line after the comment is, it is not looked at any more.
  if (above === "comment") return text.includes("-->") ? "markup" : "comment";
  const left = withoutClosed(text);
  if (left.includes("<!--")) return "comment";
  return above ?? (OPENS.test(left) ? "markup" : null);
}

/**
 * Code, tags and comments, and links, each closed on its own line and written plainly: what is written in any other way
 * counts as open.
 */
const CODE = /(?<![`\\])(`+)(?!`)(?:.*?[^`])\1(?!`)/gu;
const TAG = /<!--.*?-->|<\/?[A-Za-z](?:[^<>"']|"[^"]*"|'[^']*')*>/gu;
const LINK = /\]\([\t ]*[^\s()"'<>`\\]*(?:[\t ]+(?:"[^"\\<`]*"|'[^'\\<`]*'))?[\t ]*\)/gu;
/** What is left of those that go on over the next line; and a link's definition, whose title may. */
const OPENS = /`|<[A-Za-z/!?]|\]\(|\]:/u;

/** Longer lines (characters) count as all open: what looks for the ends on them would take its time. */
const LONG_LINE = 4_096;

function withoutClosed(text: string): string {
  if (text.length > LONG_LINE) return text;
  // A space in the place of each: what stood around it does not become one.
  return text.replace(CODE, " ").replace(TAG, " ").replace(LINK, " ");
}
