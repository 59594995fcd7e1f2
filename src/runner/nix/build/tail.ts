/** Lines of a log that a verdict carries, and characters of them. */
export const TAIL = { lines: 25, characters: 16_384 } as const;

/** Remembers the last lines. */
export class Tail {
  readonly #lines: string[] = [];

  push(line: string): void {
    this.#lines.push(line.length > TAIL.characters ? line.slice(-TAIL.characters) : line);
    if (this.#lines.length > TAIL.lines) this.#lines.shift();
  }

  toString(): string {
    return this.#lines.join("\n").slice(-TAIL.characters);
  }
}
