/**
 * Who builds what at the moment, among the build jobs of one run on this runner. A second job that needs a derivation
 * waits for the first: Nix would let it wait for the lock and then build again what has failed.
 */
export class Claims {
  readonly #held = new Set<string>();
  #sleepers: (() => void)[] = [];

  /** Takes all of them, or none when one is held. Nobody holds some while waiting for others. */
  take(drvs: readonly string[]): boolean {
    if (drvs.some((drv) => this.#held.has(drv))) return false;
    for (const drv of drvs) this.#held.add(drv);
    return true;
  }

  give(drvs: readonly string[]): void {
    for (const drv of drvs) this.#held.delete(drv);
    this.wake();
  }

  /** Resolves at the next `give` or `wake`. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push(resolve));
  }

  wake(): void {
    const sleepers = this.#sleepers;
    this.#sleepers = [];
    for (const wake of sleepers) wake();
  }
}
