import { KnownFilter, packed } from "./known.ts";
import { Needles } from "./needles.ts";
import { hasShape, ShapeFilter } from "./shapes.ts";

/** Masks secrets in a stream of bytes. What is held back comes with a later `push`, or with `end`. */
export interface ByteRedactor {
  push(bytes: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

/** Texts that are remembered, and characters of one. */
const INNOCENT = { count: 1_000, length: 32 } as const;

/**
 * Redaction of one job: everything that leaves for the wire passes through. Secrets are given with `secret`; those
 * with a known shape are masked without.
 *
 * It keeps accidents out of logs; it is no wall against a job that means to tell a secret it has, since any other
 * reversible spelling passes. In particular: encodings of encodings, a prefix at the start of each line that a secret
 * is wrapped over, and text inside OSC sequences that splits a secret are not seen through. Around a secret inside
 * longer base64 up to two characters a side may stay, which hold less than two of its bytes.
 */
export class Redaction {
  readonly #needles = new Needles();
  /** Short texts that hide nothing, which are said again and again: keys, systems, names of outputs. */
  readonly #innocent = new Set<string>();

  secret(value: string): void {
    this.#needles.add(value);
    this.#innocent.clear();
  }

  /** A stream of its own: its held back tail is not shared. */
  stream(): ByteRedactor {
    const known = new KnownFilter(this.#needles);
    const shapes = new ShapeFilter();
    return {
      push: (bytes) => fromLatin1(shapes.push(known.push(Buffer.from(bytes).toString("latin1")))),
      end: () => fromLatin1(shapes.push(known.end()) + shapes.end()),
    };
  }

  /** A whole text. */
  text(text: string): string {
    if (this.#innocent.has(text)) return text;
    const bytes = Buffer.from(text).toString("latin1");
    const searched = packed(bytes);
    // Nearly every text is innocent, and there are many: looked at before anything is built for it.
    if (!hasShape(bytes) && !this.#needles.list().some((needle) => searched.includes(needle))) {
      if (text.length <= INNOCENT.length && this.#innocent.size < INNOCENT.count)
        this.#innocent.add(text);
      return text;
    }
    const stream = this.stream();
    return Buffer.concat([stream.push(Buffer.from(text)), stream.end()]).toString();
  }

  /** Every string of a plain value, keys included. The type is kept because only the contents of strings change. */
  value<T>(value: T): T {
    return this.#value(value) as T;
  }

  #value(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((each) => this.#value(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [this.text(key), this.#value(each)]),
    );
  }
}

function fromLatin1(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
