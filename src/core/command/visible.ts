/** A line of a comment that GitHub shows as text of its author. */
export type VisibleLine = {
  /** From 1. */
  number: number;
  text: string;
  /**
   * What stands above it in the same paragraph and may take it in: a quote, which goes on over following lines, or markup
   * that is not closed on its own line (code, a tag, a link's title), in which a line can be out of sight.
   */
  below: "quote" | "markup" | null;
};

const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/u;
const QUOTE = /^ {0,3}>/u;
/** HTML that goes on over empty lines, and how each ends. */
const HTML = [
  { opens: /^ {0,3}<!--/u, ends: /-->/u },
  {
    opens: /^ {0,3}<(?:pre|script|style|textarea)(?=[\s>]|$)/iu,
    ends: /<\/(?:pre|script|style|textarea)>/iu,
  },
  { opens: /^ {0,3}<blockquote(?=[\s>]|$)/iu, ends: /<\/blockquote>/iu },
] as const;

/**
 * The lines of a comment outside of fenced code, quotes and HTML comments, by the rules of CommonMark. Where those would
 * need the whole grammar it leaves out more, not less.
 */
export function visibleLines(body: string): VisibleLine[] {
  const found: VisibleLine[] = [];
  let inside: Inside = TEXT;
  body.split(/\r\n|\n|\r/u).forEach((text, index) => {
    const before: Inside = inside;
    inside = after(before, text);
    if (before.kind !== "text" || QUOTE.test(text) || inside.kind === "fence") return;
    found.push({ number: index + 1, text, below: before.below });
  });
  return found;
}

/** What the next line begins in. */
type Inside =
  | { kind: "text"; below: VisibleLine["below"] }
  | { kind: "fence"; mark: string; length: number }
  /** Until `ends`, or, with `paragraph`, until an empty line. */
  | { kind: "html"; ends: RegExp; paragraph: boolean };

const TEXT: Inside = { kind: "text", below: null };

function after(inside: Inside, text: string): Inside {
  switch (inside.kind) {
    case "fence": {
      const closing = /^ {0,3}(`{3,}|~{3,})[\t ]*$/u.exec(text)?.[1];
      const closes = closing?.startsWith(inside.mark) && closing.length >= inside.length;
      return closes ? TEXT : inside;
    }
    case "html":
      if (inside.paragraph && text.trim() === "") return TEXT;
      if (!inside.ends.test(text)) return inside;
      return inside.paragraph ? { kind: "text", below: "markup" } : TEXT;
    case "text": {
      if (text.trim() === "") return TEXT;
      if (QUOTE.test(text)) return { kind: "text", below: "quote" };
      const fence = FENCE.exec(text)?.[1];
      if (fence !== undefined)
        return { kind: "fence", mark: fence.charAt(0), length: fence.length };
      for (const { opens, ends } of HTML) {
        const opening = opens.exec(text)?.[0];
        if (opening !== undefined && !ends.test(text.slice(opening.length)))
          return { kind: "html", ends, paragraph: false };
      }
      const left = withoutClosed(text);
      if (left.includes("<!--")) return { kind: "html", ends: /-->/u, paragraph: true };
      return OPENS.test(left) ? { kind: "text", below: inside.below ?? "markup" } : inside;
    }
  }
}

/** Code, tags and comments, and links, each closed on its own line. */
const CODE = /(?<!`)(`+)(?!`)(?:.*?[^`])\1(?!`)/gu;
const TAG = /<!--.*?-->|<[A-Za-z/!?](?:[^<>"']|"[^"]*"|'[^']*')*>/gu;
const LINK = /\]\((?:[^()"']|"[^"]*"|'[^']*')*\)/gu;
/** What is left of those that go on over the next line; and a link's definition, whose title may. */
const OPENS = /`|<[A-Za-z/!?]|\]\(|\]:/u;

/** Longer lines (characters) count as all open: what looks for the ends on them would take its time. */
const LONG_LINE = 4_096;

function withoutClosed(text: string): string {
  if (text.length > LONG_LINE) return text;
  return text.replace(CODE, "").replace(TAG, "").replace(LINK, "]");
}
