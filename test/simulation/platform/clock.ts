/** Node's own, taken before the world's clock stands in its place. */
const setImmediateReal = setImmediate;

type Entry = { at: number; seq: number; act: (() => void) | null };

/** What will happen, and when. Everything that takes time in the world is an entry here: the same seed, the same order. */
export class Clock {
  now: number;
  #seq = 0;
  readonly #heap: Entry[] = [];

  constructor(now: number) {
    this.now = now;
  }

  /** @returns what takes it back. */
  after(milliseconds: number, act: () => void): () => void {
    const entry: Entry = {
      at: this.now + Math.max(0, milliseconds),
      seq: (this.#seq += 1),
      act,
    };
    this.#push(entry);
    return () => {
      entry.act = null;
    };
  }

  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(milliseconds, resolve);
    });
  }

  /** Lets things happen up to a time; after each, everything that follows without waiting. */
  async runUntil(time: number): Promise<void> {
    for (;;) {
      const [next] = this.#heap;
      if (next === undefined || next.at > time) break;
      this.#pop();
      if (next.act === null) continue;
      this.now = Math.max(this.now, next.at);
      next.act();
      await new Promise((resolve) => setImmediateReal(resolve));
    }
    this.now = Math.max(this.now, time);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, entry)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      let least = left;
      const right = heap[child + 1];
      if (right !== undefined && before(right, left)) {
        child += 1;
        least = right;
      }
      if (before(last, least)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
