import type { PathInfo } from "../store/path-info.ts";

type Answer = ReadonlyMap<string, PathInfo>;

/** Processes that began together end together: so long (ms) the first one's question waits for the others'. */
const WAIT = 200;

/** Questions about store paths that wait a moment for others: one process answers all of them. */
export class Gathered {
  readonly #ask: (paths: readonly string[]) => Promise<Answer>;
  #waiting: { readonly paths: readonly string[]; readonly told: PromiseWithResolvers<Answer> }[] =
    [];
  #timer: NodeJS.Timeout | undefined;

  constructor(ask: (paths: readonly string[]) => Promise<Answer>) {
    this.#ask = ask;
  }

  /** What the store says of these, and perhaps of others. */
  ask(paths: readonly string[]): Promise<Answer> {
    const told = Promise.withResolvers<Answer>();
    this.#waiting.push({ paths, told });
    this.#timer ??= setTimeout(() => this.now(), WAIT);
    return told.promise;
  }

  /** Nobody else will come: asks at once. */
  now(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) return;
    this.#ask(waiting.flatMap(({ paths }) => paths)).then(
      (answer) => waiting.forEach(({ told }) => told.resolve(answer)),
      (error: unknown) => waiting.forEach(({ told }) => told.reject(error)),
    );
  }
}
