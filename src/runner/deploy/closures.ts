import type { MachineOutcome } from "../../protocol/machine.ts";
import type { MachineSpecification } from "../../protocol/specification.ts";
import type { Exchange } from "../nix/exchange/exchange.ts";
import { ExchangeFailure } from "../nix/exchange/exchange.ts";
import type { MachineRoots } from "../nix/roots/machines.ts";
import type { SourceStore } from "../machine/index.ts";
import { describeEnd, run, succeeded } from "../process/index.ts";

/** A system for a machine, and for whom. */
export type ForMachine = {
  of: Pick<MachineSpecification, "repository" | "run">;
  hostKey: string;
  system: string;
};

/** What this runner's store has of systems that are to be brought to machines. */
export interface Closures {
  /** Makes it valid here, and keeps it from a garbage collection. Null when that is so, else why it is not. */
  bring(what: ForMachine, signal: AbortSignal): Promise<string | null>;
  /** Lets go what is kept for the deploy; what the machine runs is kept. */
  ended(what: Omit<ForMachine, "system">, outcome: MachineOutcome): Promise<void>;
}

/** @param now Unix time (ms). */
export function closures(
  store: SourceStore,
  exchange: Exchange | null,
  roots: MachineRoots | null,
  now: () => number,
): Closures {
  return {
    async bring({ of, hostKey, system }, signal) {
      await roots?.bringing(of, hostKey, system, now());
      if (await isValid(store, system, signal)) return null;
      if (exchange === null)
        return `${system} is not in this runner's store: another runner built it, and this one has no exchange that it could come through`;
      try {
        await exchange.fetch([system], signal);
      } catch (error) {
        if (error instanceof ExchangeFailure)
          return `${system} is not in this runner's store, and could not be taken from its exchange: ${error.message}`;
        throw error;
      }
      return (await isValid(store, system, signal))
        ? null
        : `${system} came from the exchange and is not in this runner's store`;
    },
    ended: async ({ of, hostKey }, outcome) => await roots?.ended(of, hostKey, outcome, now()),
  };
}

/** A valid path's closure is valid too. */
async function isValid(
  { nixStore, url, env }: SourceStore,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  const at = url === null ? [] : ["--store", url];
  const asked = await run([nixStore, ...at, "--check-validity", "--print-invalid", path], {
    env,
    signal,
  });
  signal.throwIfAborted();
  if (succeeded(asked)) return new TextDecoder().decode(asked.stdout).trim() === "";
  const said = new TextDecoder().decode(asked.stderr).trim();
  throw new Error(`the store could not be asked for ${path}: ${describeEnd(asked)}\n${said}`);
}
