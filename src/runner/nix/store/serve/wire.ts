/**
 * How Nix's programs write to each other: numbers of 64 bits, little endian; texts with their length before them, padded
 * with zeros to 8 bytes; lists with their count before them (libutil's serialise.hh).
 */

/** A reader that asks for so many bytes and is given them; it returns what they say. */
export type Reading<T> = Generator<number, T, Uint8Array>;

/** Bytes of one text: paths have some 250, signatures less. */
const TEXT = 64 * 1_024;
const WORD = 8;

export function number(value: number): Uint8Array {
  const bytes = Buffer.alloc(WORD);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes, Buffer.alloc(padding(bytes.length))]);
}

export function texts(values: readonly string[]): Uint8Array {
  return Buffer.concat([number(values.length), ...values.map(text)]);
}

/** @param most more is an error of the other side. */
export function* readNumber(most = Number.MAX_SAFE_INTEGER): Reading<number> {
  const value = Buffer.from(yield WORD).readBigUInt64LE();
  if (value > BigInt(most)) throw new Error(`${value} where at most ${most} can be`);
  return Number(value);
}

export function* readText(): Reading<string> {
  const length = yield* readNumber(TEXT);
  const bytes = yield length;
  const value = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  if ((yield padding(length)).some((byte) => byte !== 0))
    throw new Error("a text is padded with something else than zeros");
  return value;
}

export function* readTexts(most: number): Reading<string[]> {
  const count = yield* readNumber(most);
  const values: string[] = [];
  while (values.length < count) values.push(yield* readText());
  return values;
}

function padding(length: number): number {
  return (WORD - (length % WORD)) % WORD;
}

/** What comes in, read as it comes. */
export class Incoming {
  #pending = Buffer.alloc(0);
  #step: (() => void) | null = null;
  #fail: ((error: Error) => void) | null = null;
  #ended: Error | null = null;

  push(chunk: Uint8Array): void {
    this.#pending =
      this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    this.#step?.();
  }

  /** Nothing will come any more. */
  end(why: Error): void {
    this.#ended ??= why;
    this.#fail?.(this.#ended);
  }

  /**
   * One at a time. Rejects when what comes is not what is read, or does not come.
   * @param most bytes that it may take.
   */
  read<T>(reading: Reading<T>, most: number): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const done = (): void => void (this.#step = this.#fail = null);
    this.#fail = (error) => {
      done();
      reject(error);
    };
    let left = most;
    let wanted: IteratorResult<number, T> | null = null;
    this.#step = () => {
      try {
        wanted ??= reading.next(new Uint8Array());
        while (wanted.done !== true && this.#pending.length >= wanted.value) {
          left -= wanted.value;
          if (left < 0) throw new Error(`more than ${most} bytes`);
          const bytes = this.#pending.subarray(0, wanted.value);
          this.#pending = this.#pending.subarray(wanted.value);
          wanted = reading.next(bytes);
        }
        if (wanted.done !== true) return;
        done();
        resolve(wanted.value);
      } catch (error) {
        this.#fail?.(error instanceof Error ? error : new Error(String(error)));
      }
    };
    if (this.#ended === null) this.#step();
    else this.#fail(this.#ended);
    return promise;
  }

  /** Whether something came that nobody has read. */
  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }
}
