import { below, type Below } from "./below.ts";

/** A line of a comment that GitHub may show as text of its author. */
export type VisibleLine = {
  /** From 1. */
  number: number;
  text: string;
  /** What above it may take it in; null where nothing does. */
  below: Below | null;
};

/**
 * The lines of a comment outside of fenced code, quotes and HTML comments, by the rules of CommonMark. Where those would
 * need the whole grammar (code in lists, code in HTML) every later line is `lost`: nobody is to run what nobody sees.
 */
export function visibleLines(body: string): VisibleLine[] {
  const found: VisibleLine[] = [];
  let state: State = { inside: TEXT, list: false };
  body.split(/\r\n|\n|\r/u).forEach((text, index) => {
    const before = state.inside;
    const list = state.list || (before.kind === "text" && LIST.test(text));
    state = { inside: after(state, text), list };
    if (before.kind === "lost") found.push({ number: index + 1, text, below: "lost" });
    if (before.kind !== "text" || QUOTE.test(text) || state.inside.kind === "fence") return;
    found.push({ number: index + 1, text, below: before.below });
  });
  return found;
}

/** `list`: there was an item of a list, which later lines may belong to. */
type State = { inside: Inside; list: boolean };

/** What the next line begins in. */
type Inside =
  /** `html`: the paragraph may be a block of HTML, in which code and quotes are nothing special. */
  | { kind: "text"; below: Below | null; html: boolean }
  | { kind: "fence"; mark: string; length: number; indent: number }
  /** Until a line with `ends`. */
  | { kind: "html"; ends: RegExp; markdown: boolean }
  | { kind: "lost" };

const TEXT: Inside = { kind: "text", below: null, html: false };
const LOST: Inside = { kind: "lost" };

const QUOTE = /^ {0,3}>/u;
const ITEM = String.raw`[\t ]*(?:[-+*]|[0-9]{1,9}[.)])(?:[\t ]+|$)`;
const LIST = new RegExp(`^${ITEM}`, "u");
/** Items that begin with a quote, or with code or HTML that goes on. */
const ITEM_QUOTE = new RegExp(`^(?:${ITEM})+>`, "u");
const ITEM_BLOCK = new RegExp(`^(?:${ITEM})+(?:\`{3}|~{3}|<|[\\t ]{4})`, "u");
const FENCE = /^([\t ]*)(`{3,}(?=[^`]*$)|~{3,})/u;
const FENCE_END = /^[\t ]*(`{3,}|~{3,})[\t ]*$/u;
const HTML_START = /^ {0,3}<[A-Za-z/!?]/u;
/** HTML that goes on over empty lines, and how each ends. In those of `markdown` that may go on as well. */
const HTML = [
  { opens: /^ {0,3}<!--/u, ends: /-->/u, markdown: false },
  {
    opens: /^ {0,3}<(?:pre|script|style|textarea)(?=[\s>]|$)/iu,
    ends: /<\/(?:pre|script|style|textarea)>/iu,
    markdown: false,
  },
  { opens: /^ {0,3}<\?/u, ends: /\?>/u, markdown: false },
  { opens: /^ {0,3}<!\[CDATA\[/u, ends: /\]\]>/u, markdown: false },
  { opens: /^ {0,3}<![A-Za-z]/u, ends: />/u, markdown: false },
  { opens: /^ {0,3}<blockquote(?=[\s>]|$)/iu, ends: /<\/blockquote>/iu, markdown: true },
] as const;

function after({ inside, list }: State, text: string): Inside {
  switch (inside.kind) {
    case "lost":
      return LOST;
    case "fence": {
      const closing = FENCE_END.exec(text)?.[1];
      const closes = closing?.startsWith(inside.mark) && closing.length >= inside.length;
      const left = indentOf(text) < inside.indent && text.trim() !== "";
      // In a list such a line ends the item, and the code with it; elsewhere it belongs to the code.
      if (list && left) return LOST;
      if (!closes) return inside;
      const indent = indentOf(text);
      return indent < 4 || indent === inside.indent ? TEXT : list ? LOST : inside;
    }
    case "html":
      if (inside.markdown && (FENCE.test(text) || text.includes("<!--"))) return LOST;
      return inside.ends.test(text) ? TEXT : inside;
    case "text": {
      if (text.trim() === "") return TEXT;
      const quote = QUOTE.test(text) || ITEM_QUOTE.test(text);
      if (quote || (list && /^[\t ]*>/u.test(text))) return { ...inside, below: "quote" };
      if (ITEM_BLOCK.test(text)) return LOST;
      const fence = fenceOf(text, list);
      if (fence !== null) return inside.html ? LOST : fence;
      const html = HTML.find(({ opens }) => opens.test(text));
      if (html !== undefined) {
        const nested = inside.html || (list && indentOf(text) > 0);
        const ends = html.ends.test(text);
        if (nested ? !ends : html.markdown && text.includes("<!--")) return LOST;
        if (!ends) return { kind: "html", ends: html.ends, markdown: html.markdown };
        // Such a block ends with the line; of other tags it goes on to the next empty line.
        if (!nested && !html.markdown) return TEXT;
      }
      const inHtml = inside.html || HTML_START.test(text);
      return {
        kind: "text",
        below: below(inHtml ? (inside.below ?? "markup") : inside.below, text),
        html: inHtml,
      };
    }
  }
}

/** Below an item of a list code may be indented as far as the item's text. */
function fenceOf(text: string, list: boolean): Inside | null {
  const [, , mark] = FENCE.exec(text) ?? [];
  const indent = indentOf(text);
  if (mark === undefined || (indent >= 4 && !list)) return null;
  return { kind: "fence", mark: mark.charAt(0), length: mark.length, indent };
}

/** Columns before the text; a tab goes on to the next multiple of four. */
function indentOf(text: string): number {
  let columns = 0;
  for (const char of text) {
    if (char === " ") columns += 1;
    else if (char === "\t") columns += 4 - (columns % 4);
    else break;
  }
  return columns;
}
