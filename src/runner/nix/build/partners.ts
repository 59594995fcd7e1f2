import type { RunTalk } from "../../agent/run-talk.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { GraphNode } from "../store/derivations.ts";
import type { Failure } from "./failure.ts";
import { failureOf } from "./failure.ts";
import type { Need } from "./plan.ts";

/** What a build job shares with other runners of the same run. */
export interface Sharing {
  readonly exchange: Exchange;
  readonly talk: RunTalk;
}

export type Taken =
  | { readonly granted: true; release(): Promise<void> }
  | { readonly granted: false; readonly failures: readonly Failure[] };

/** The other runners of a run, as one build job deals with them: what they build, and what they have put in the exchange. */
export class Partners {
  readonly #sharing: Sharing;
  readonly #signal: AbortSignal;
  readonly #stopListening: () => void;

  /** @param onFreed something may be taken that was not to be had before. */
  constructor(sharing: Sharing, signal: AbortSignal, onFreed: () => void) {
    this.#sharing = sharing;
    this.#signal = signal;
    this.#stopListening = sharing.talk.onFreed(onFreed);
  }

  close(): void {
    this.#stopListening();
  }

  /** Whether somebody else builds one of them, as far as is known. */
  hold(drvs: readonly string[]): boolean {
    const { held } = this.#sharing.talk;
    return held.size > 0 && drvs.some((drv) => held.has(drv));
  }

  /** Takes the right to build all of them. */
  async take(drvs: readonly string[]): Promise<Taken> {
    const answer = await this.#sharing.talk.claim(drvs);
    if (answer.granted) return answer;
    return { granted: false, failures: answer.failed.flatMap(failureOf) };
  }

  /**
   * Brings what others have built, as much of it as the goals need: what stands below something that is there is not
   * looked at. Answers the paths that came.
   */
  async fetch(
    goals: readonly string[],
    { below }: Need,
    node: (drv: string) => GraphNode | undefined,
  ): Promise<string[]> {
    const { exchange } = this.#sharing;
    const members = new Set<string>();
    const visit = [...goals];
    for (let drv = visit.pop(); drv !== undefined; drv = visit.pop()) {
      if (members.has(drv) || !below.has(drv)) continue;
      members.add(drv);
      visit.push(...(below.get(drv) ?? []));
    }
    const outputs = (drv: string): (string | null)[] => [
      ...(node(drv)?.outputs.values() ?? [null]),
    ];
    const known = [...members].flatMap(outputs).filter((path) => path !== null);
    if (known.length === 0) return [];
    const there = await exchange.has(known, this.#signal);
    if (there.size === 0) return [];
    const wanted = new Set<string>();
    const seen = new Set<string>();
    const walk = [...goals];
    for (let drv = walk.pop(); drv !== undefined; drv = walk.pop()) {
      if (seen.has(drv) || !members.has(drv)) continue;
      seen.add(drv);
      const paths = outputs(drv);
      if (paths.every((path) => path !== null && there.has(path)))
        for (const path of paths) wanted.add(path ?? "");
      else walk.push(...(below.get(drv) ?? []));
    }
    if (wanted.size > 0) await exchange.fetch(wanted, this.#signal);
    return [...wanted];
  }

  /** Puts outputs where the others find them. */
  async push(paths: readonly string[]): Promise<void> {
    if (paths.length > 0) await this.#sharing.exchange.push(paths, this.#signal);
  }

  async pushDerivations(drvs: readonly string[]): Promise<void> {
    if (drvs.length > 0) await this.#sharing.exchange.pushDerivations(drvs, this.#signal);
  }
}
