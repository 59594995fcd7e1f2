import type { RunTalk } from "../../../src/runner/agent/run-talk.ts";

/** A Run that has no other runner: every claim is granted, and what is given back is remembered. */
export function aloneWith(given: Parameters<RunTalk["needs"]>[0][] = []): RunTalk {
  return {
    claim: async () => ({ granted: true, release: async () => {} }),
    failed: async () => {},
    needs: async (needs) => void given.push(needs),
    held: new Set(),
    onFreed: () => () => {},
  };
}
