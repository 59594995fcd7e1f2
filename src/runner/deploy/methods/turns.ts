/** Deploys by one tool one after the other, in the order in which they asked. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Waits for the turn and answers what ends it; null where the signal came first: then there is nothing to end. */
  async take(tool: string, signal: AbortSignal): Promise<(() => void) | null> {
    const before = this.#last.get(tool) ?? Promise.resolve();
    const { promise: mine, resolve: end } = Promise.withResolvers<void>();
    const last = before.then(() => mine);
    this.#last.set(tool, last);
    void last.then(() => {
      if (this.#last.get(tool) === last) this.#last.delete(tool);
    });
    const cancelled = Promise.withResolvers<"cancelled">();
    const cancel = (): void => cancelled.resolve("cancelled");
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    const first = await Promise.race([before, cancelled.promise]);
    signal.removeEventListener("abort", cancel);
    if (first !== "cancelled") return end;
    end();
    return null;
  }
}
