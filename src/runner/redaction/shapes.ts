import { type Filter, MASK } from "./filter.ts";

/** Secrets that are known by their shape: GitHub's tokens, PEM private keys, Nix signing keys. No length is assumed. */
type Shape = {
  /** Begins a secret; the whole match is masked. */
  begin: RegExp;
  /** Text that may still become a beginning, at the end of what has arrived. */
  partial: RegExp;
  /** What belongs to the secret after its beginning; null when the beginning is all of it. */
  body: { goesOn: RegExp } | { until: RegExp; atMost: number } | null;
};

const SHAPES: readonly Shape[] = [
  {
    begin: /gh[pousr]_[A-Za-z0-9]/u,
    partial: /(?:g|gh|gh[pousr]|gh[pousr]_)$/u,
    body: { goesOn: /^[A-Za-z0-9_.-]+/u },
  },
  {
    begin: /github_pat_[A-Za-z0-9]/u,
    partial: /(?:g|gi|git|gith|githu|github|github_|github_p|github_pa|github_pat|github_pat_)$/u,
    body: { goesOn: /^[A-Za-z0-9_]+/u },
  },
  {
    begin: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/u,
    partial: /-(?:-(?:-(?:-(?:-(?:B(?:E(?:G(?:I(?:N(?: [A-Z0-9 -]{0,70})?)?)?)?)?)?)?)?)?)?$/u,
    body: { until: /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/u, atMost: 64 * 1_024 },
  },
  {
    // The secret half of a Nix signing key: 64 bytes. The public half has 32 and is no secret.
    begin: /:[A-Za-z0-9+/]{86}==/u,
    partial: /:[A-Za-z0-9+/]{0,86}={0,1}$/u,
    body: null,
  },
];
/** The end of a PEM block is at most this long. */
const END_LENGTH = 80;

/** Masks by shape, over any split. */
export class ShapeFilter implements Filter {
  #buffer = "";
  #inside: Exclude<Shape["body"], null> | null = null;
  #swallowed = 0;

  push(text: string): string {
    this.#buffer += text;
    return this.#take(false);
  }

  end(): string {
    const answer = this.#take(true);
    this.#buffer = "";
    this.#inside = null;
    return answer;
  }

  #take(end: boolean): string {
    let answer = "";
    for (;;) {
      if (this.#inside !== null && !this.#leave(this.#inside, end)) return answer;
      const found = first(this.#buffer);
      if (found === null) break;
      answer += this.#buffer.slice(0, found.at) + MASK;
      this.#buffer = this.#buffer.slice(found.at + found.length);
      this.#inside = found.shape.body;
      this.#swallowed = 0;
    }
    const keep = end ? this.#buffer.length : holdFrom(this.#buffer);
    answer += this.#buffer.slice(0, keep);
    this.#buffer = this.#buffer.slice(keep);
    return answer;
  }

  /** Drops what belongs to the secret; false while its end has not arrived. */
  #leave(body: Exclude<Shape["body"], null>, end: boolean): boolean {
    if ("goesOn" in body) {
      const length = body.goesOn.exec(this.#buffer)?.[0].length ?? 0;
      this.#buffer = this.#buffer.slice(length);
      if (this.#buffer === "" && !end) return false;
      this.#inside = null;
      return true;
    }
    const match = body.until.exec(this.#buffer);
    if (match !== null) {
      this.#buffer = this.#buffer.slice(match.index + match[0].length);
      this.#inside = null;
      return true;
    }
    if (end) this.#buffer = "";
    const drop = Math.max(0, this.#buffer.length - END_LENGTH);
    this.#swallowed += drop;
    this.#buffer = this.#buffer.slice(drop);
    if (this.#swallowed < body.atMost && !end) return false;
    this.#inside = null;
    return true;
  }
}

/** Whether a whole text has any of the shapes. */
export function hasShape(text: string): boolean {
  return SHAPES.some((shape) => shape.begin.test(text));
}

function first(text: string): { at: number; length: number; shape: Shape } | null {
  let best: { at: number; length: number; shape: Shape } | null = null;
  for (const shape of SHAPES) {
    const match = shape.begin.exec(text);
    if (match !== null && (best === null || match.index < best.at))
      best = { at: match.index, length: match[0].length, shape };
  }
  return best;
}

/** No shape's beginning is longer than this. */
const TAIL = 200;

function holdFrom(text: string): number {
  const from = Math.max(0, text.length - TAIL);
  const tail = text.slice(from);
  const starts = SHAPES.map((shape) => shape.partial.exec(tail)?.index ?? tail.length);
  return from + Math.min(...starts);
}
