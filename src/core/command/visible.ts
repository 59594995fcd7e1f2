/** A line of a comment that GitHub shows as text of its author. */
export type VisibleLine = {
  /** From 1. */
  number: number;
  text: string;
  /** It stands right below a quote, without an empty line: GitHub shows it as part of the quote. */
  belowQuote: boolean;
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
const CODE_SPAN = /(?<!`)(`+)(?!`)(?:.*?[^`])\1(?!`)/gu;

/**
 * The lines of a comment outside of fenced code, quotes and HTML comments, by the rules of CommonMark. Where those would
 * need the whole grammar it leaves out more, not less.
 */
export function visibleLines(body: string): VisibleLine[] {
  const found: VisibleLine[] = [];
  let inside: Inside = { kind: "text" };
  body.split(/\r\n|\n|\r/u).forEach((text, index) => {
    const before: Inside = inside;
    inside = after(before, text);
    const shown = before.kind === "text" || before.kind === "quote";
    if (!shown || QUOTE.test(text) || (before.kind === "text" && inside.kind === "fence")) return;
    found.push({
      number: index + 1,
      text,
      belowQuote: before.kind === "quote" && text.trim() !== "",
    });
  });
  return found;
}

/** What the next line begins in. */
type Inside =
  | { kind: "text" }
  | { kind: "quote" }
  | { kind: "fence"; mark: string; length: number }
  /** Until `ends`, or, with `paragraph`, until an empty line. */
  | { kind: "html"; ends: RegExp; paragraph: boolean };

function after(inside: Inside, text: string): Inside {
  switch (inside.kind) {
    case "fence": {
      const closing = /^ {0,3}(`{3,}|~{3,})[\t ]*$/u.exec(text)?.[1];
      const closes = closing?.startsWith(inside.mark) && closing.length >= inside.length;
      return closes ? { kind: "text" } : inside;
    }
    case "html":
      return inside.ends.test(text) || (inside.paragraph && text.trim() === "")
        ? { kind: "text" }
        : inside;
    case "quote":
    case "text": {
      if (QUOTE.test(text)) return { kind: "quote" };
      const fence = FENCE.exec(text)?.[1];
      if (fence !== undefined)
        return { kind: "fence", mark: fence.charAt(0), length: fence.length };
      for (const { opens, ends } of HTML) {
        const opening = opens.exec(text)?.[0];
        if (opening !== undefined && !ends.test(text.slice(opening.length)))
          return { kind: "html", ends, paragraph: false };
      }
      if (opensComment(text)) return { kind: "html", ends: /-->/u, paragraph: true };
      return inside.kind === "quote" && text.trim() !== "" ? inside : { kind: "text" };
    }
  }
}

/** Within a paragraph a comment may begin anywhere, but for in a code span. */
function opensComment(text: string): boolean {
  const bare = text.replace(CODE_SPAN, "");
  const last = bare.lastIndexOf("<!--");
  return last !== -1 && !bare.includes("-->", last);
}
