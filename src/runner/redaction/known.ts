import type { Filter } from "./filter.ts";
import { MASK } from "./filter.ts";
import type { Needles } from "./needles.ts";

/**
 * What may stand between the characters of a secret without changing it for a reader: line breaks, and colours and other
 * control sequences of terminals (CSI, ECMA-48 5.4), also one whose end has not arrived yet.
 */
const LEFT_OUT =
  /(?:[\r\n]+|\u001b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\u001b(?:\[[0-?]{0,64}[ -/]{0,8})?$)+/gu;

/** A whole text as it is searched. */
export function packed(text: string): string {
  return text.replaceAll(LEFT_OUT, "");
}

type Span = { from: number; to: number };

/**
 * Masks known secrets in a stream, however it is cut, wherever its lines break or its colours change. Only a tail that may be the
 * beginning of a secret is held back, so that other output is not delayed.
 */
export class KnownFilter implements Filter {
  readonly #needles: Needles;
  /** What may still matter: the first `#done` characters have been answered and are only context. */
  #buffer = "";
  #done = 0;
  /** The last thing answered was a mask that may go on. */
  #masked = false;

  constructor(needles: Needles) {
    this.#needles = needles;
  }

  push(text: string): string {
    this.#buffer += text;
    return this.#take(false);
  }

  end(): string {
    return this.#take(true);
  }

  #take(end: boolean): string {
    const needles = this.#needles.list();
    const buffer = this.#buffer;
    if (needles.length === 0) {
      const rest = buffer.slice(this.#done);
      this.#buffer = "";
      this.#done = 0;
      return rest;
    }
    const packed = new Packed(buffer);
    const spans = merge(find(packed, needles));
    const hold = end ? buffer.length : packed.original(holdFrom(packed.text, needles));
    const covering = spans.find((span) => span.from < hold && span.to > hold);
    const limit = Math.max(this.#done, covering?.to ?? hold);
    const answer = this.#render(spans, this.#done, limit);
    this.#buffer = buffer.slice(Math.min(hold, limit));
    this.#done = limit - Math.min(hold, limit);
    return answer;
  }

  #render(spans: readonly Span[], from: number, to: number): string {
    let answer = "";
    let at = from;
    for (const span of spans) {
      if (span.to <= at || span.from >= to) continue;
      if (span.from > at) {
        answer += this.#buffer.slice(at, span.from);
        this.#masked = false;
      }
      if (!(this.#masked && span.from < at)) answer += MASK;
      this.#masked = true;
      at = Math.min(span.to, to);
    }
    if (at < to) {
      answer += this.#buffer.slice(at, to);
      this.#masked = false;
    }
    return answer;
  }
}

/** A text without what may be left out, which knows where its characters were. */
class Packed {
  readonly text: string;
  readonly #length: number;
  /** Position (in the packed text) of each break, and how many characters were left out up to there. */
  readonly #breaks: { at: number; skipped: number }[] = [];

  constructor(buffer: string) {
    this.#length = buffer.length;
    let skipped = 0;
    this.text = buffer.replaceAll(LEFT_OUT, (run, offset: number) => {
      const at = offset - skipped;
      skipped += run.length;
      this.#breaks.push({ at, skipped });
      return "";
    });
  }

  /** Where the packed character at `index` was. */
  original(index: number): number {
    if (index >= this.text.length) return this.#length;
    let low = 0;
    let high = this.#breaks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#breaks[middle]?.at ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return index + (this.#breaks[low - 1]?.skipped ?? 0);
  }
}

function find(packed: Packed, needles: readonly string[]): Span[] {
  const spans: Span[] = [];
  for (const needle of needles) {
    for (
      let at = packed.text.indexOf(needle);
      at !== -1;
      at = packed.text.indexOf(needle, at + 1)
    ) {
      spans.push({ from: packed.original(at), to: packed.original(at + needle.length - 1) + 1 });
    }
  }
  return spans;
}

function merge(spans: Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else merged.push({ ...span });
  }
  return merged;
}

/** The first position from which the text, up to its end, is the beginning of a needle; its length when none is. */
function holdFrom(text: string, needles: readonly string[]): number {
  let earliest = text.length;
  for (const needle of needles) {
    const first = needle[0] ?? "";
    for (
      let at = text.indexOf(first, Math.max(0, text.length - needle.length + 1));
      at !== -1 && at < earliest;
      at = text.indexOf(first, at + 1)
    ) {
      if (needle.startsWith(text.slice(at))) earliest = at;
    }
  }
  return earliest;
}
