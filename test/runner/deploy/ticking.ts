import type { Clock } from "../../../src/runner/agent/clock.ts";

/** Virtual time: whoever waits, makes it pass. */
export class Ticking implements Clock {
  #now = 0;
  now(): number {
    return this.#now;
  }
  after(ms: number, callback: () => void): () => void {
    let live = true;
    queueMicrotask(() => {
      if (!live) return;
      this.#now += ms;
      callback();
    });
    return () => (live = false);
  }
  random(): number {
    return 0.5;
  }
  pass(seconds: number): void {
    this.#now += seconds * 1_000;
  }
}
