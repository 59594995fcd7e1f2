import { spellings } from "./encodings.ts";

/** Secrets of a job, in all their spellings. More may be added while output flows. */
export class Needles {
  #list: string[] = [];

  /** A secret of several lines is also looked for line by line. Empty ones are ignored. */
  add(secret: string): void {
    const lines = secret.split(/\r?\n/u).filter((line) => line.length >= 16);
    const parts = [secret, ...(lines.length > 1 ? lines : [])];
    const all = new Set([
      ...this.#list,
      ...parts.filter((part) => part.trim() !== "").flatMap(spellings),
    ]);
    this.#list = [...all].toSorted((a, b) => b.length - a.length);
  }

  list(): readonly string[] {
    return this.#list;
  }
}
