import type { DataReply, KnownFailure, ToRun } from "../../protocol/data.ts";
import { CLAIM } from "../../protocol/data.ts";

export type ClaimAnswer =
  | { readonly granted: true; release(): Promise<void> }
  | {
      readonly granted: false;
      /** What failed in this run; the rest of it is `RunTalk.held`. */
      readonly failed: readonly KnownFailure[];
    };

type Needs = Omit<Extract<ToRun, { kind: "needs" }>, "kind">;

/** What a job and its Run say to each other about what other runners do for the same run. */
export interface RunTalk {
  /** Asks for the right to build these, all or none. Rejects when the attempt is over. */
  claim(drvs: readonly string[]): Promise<ClaimAnswer>;
  /** Derivations below goals that failed here. */
  failed(failures: readonly KnownFailure[]): Promise<void>;
  /** Gives goals back that need what this runner cannot build. */
  needs(needs: Needs): Promise<void>;
  /** What others build, as far as refusals and their end have told. It changes with each message, not a moment later. */
  readonly held: ReadonlySet<string>;
  /** Told when others hold less. The answer ends it. */
  onFreed(listener: () => void): () => void;
}

/** One attempt's end of it, over its run channel. Answers may get lost with a connection: what is open is asked again. */
export class AttemptTalk implements RunTalk {
  readonly #tell: (body: ToRun) => Promise<unknown>;
  readonly #signal: AbortSignal;
  readonly #asked = new Map<
    number,
    { drvs: readonly string[]; resolve: (answer: ClaimAnswer) => void }
  >();
  readonly #listeners = new Set<() => void>();
  readonly #held = new Set<string>();
  #last = 0;

  /** @param tell puts a frame on its way. */
  constructor(tell: (body: ToRun) => Promise<unknown>, signal: AbortSignal) {
    this.#tell = tell;
    this.#signal = signal;
  }

  async claim(drvs: readonly string[]): Promise<ClaimAnswer> {
    if (drvs.length > CLAIM.drvs)
      throw new Error(
        `${drvs.length} derivations hang together and have to be built: with an exchange at most ${CLAIM.drvs} can. A cache that has some of them helps`,
      );
    this.#signal.throwIfAborted();
    const claim = (this.#last += 1);
    const { promise, resolve, reject } = Promise.withResolvers<ClaimAnswer>();
    const over = (): void => reject(this.#signal.reason);
    this.#asked.set(claim, { drvs, resolve });
    this.#signal.addEventListener("abort", over, { once: true });
    try {
      await this.#tell({ kind: "claim", claim, drvs: [...drvs] });
      return await promise;
    } finally {
      this.#asked.delete(claim);
      this.#signal.removeEventListener("abort", over);
    }
  }

  async failed(failures: readonly KnownFailure[]): Promise<void> {
    for (let at = 0; at < failures.length; at += CLAIM.failures)
      await this.#tell({ kind: "failed", failures: failures.slice(at, at + CLAIM.failures) });
  }

  async needs(needs: Needs): Promise<void> {
    await this.#tell({ kind: "needs", ...needs });
  }

  get held(): ReadonlySet<string> {
    return this.#held;
  }

  onFreed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** What the Run says. */
  heard(reply: DataReply): void {
    switch (reply.kind) {
      case "claimed": {
        const { claim, held, failed } = reply;
        const asked = this.#asked.get(claim);
        const granted = held.length === 0 && failed.length === 0;
        // At once: the news that they are free may come with the same bytes of the network.
        for (const drv of held) this.#held.add(drv);
        if (asked !== undefined)
          asked.resolve(
            granted
              ? { granted, release: async () => await this.#release(claim) }
              : { granted, failed },
          );
        // Asked twice, refused first: nobody here builds it.
        else if (granted && !this.#granted.has(claim)) void this.#release(claim);
        if (asked !== undefined && granted) this.#granted.add(claim);
        return;
      }
      case "freed":
        for (const drv of reply.drvs) this.#held.delete(drv);
        for (const listener of this.#listeners) listener();
        return;
      case "ack":
      case "stale":
        return;
    }
  }

  /** A new connection stands: what was said on the old one may not have arrived. */
  reconnected(): void {
    for (const [claim, { drvs }] of this.#asked)
      void this.#tell({ kind: "claim", claim, drvs: [...drvs] });
    this.#held.clear();
    for (const listener of this.#listeners) listener();
  }

  readonly #granted = new Set<number>();

  async #release(claim: number): Promise<void> {
    this.#granted.delete(claim);
    await this.#tell({ kind: "release", claim });
  }
}
