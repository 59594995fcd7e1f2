import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { ExchangeId } from "../../../protocol/identifiers.ts";
import type { Environment, ProcessResult } from "../../process/index.ts";
import { describeEnd, run, succeeded } from "../../process/index.ts";
import { clean } from "../log/clean.ts";
import type { ExchangeConfiguration } from "./configuration.ts";
import { exchangeId } from "./configuration.ts";

/** Paths of one process: the kernel takes 2 MB of arguments in all. */
const PATHS_AT_ONCE = 2_000;
/** A network may be away for a moment: a second try after this (ms). Then the job fails, and is tried again as a whole. */
const PAUSE = 2_000;
/** The longest that one process may take (ms): a NixOS system over a slow line. */
const LONGEST = 2 * 3_600_000;

/** The exchange cannot be read or written, or holds what no trusted key has signed: never the change's fault. */
export class ExchangeFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ExchangeFailure";
  }
}

/** The store through which closures go to the pool's other runners. Signatures are checked by this runner's daemon. */
export interface Exchange {
  readonly id: ExchangeId;
  /** Which of these it has. */
  has(paths: Iterable<string>, signal: AbortSignal): Promise<Set<string>>;
  /** Puts outputs there, with what they refer to. What is there stays as it is: the first bytes count. */
  push(outputs: Iterable<string>, signal: AbortSignal): Promise<void>;
  pushDerivations(drvs: Iterable<string>, signal: AbortSignal): Promise<void>;
  /** Brings outputs into this store, with what they refer to. */
  fetch(outputs: Iterable<string>, signal: AbortSignal): Promise<void>;
  fetchDerivations(drvs: Iterable<string>, signal: AbortSignal): Promise<void>;
}

/**
 * The agent's own programs work on it, outside of any sandbox: no job sees its address or what it takes to log in.
 *
 * @param environment how to reach this runner's store (PATH, NIX_REMOTE, NIX_CONF_DIR).
 * @param directory the agent's; Nix keeps its caches there.
 */
export async function openExchange(
  configuration: ExchangeConfiguration,
  environment: Environment,
  directory: string,
): Promise<Exchange> {
  const { url, home } = configuration;
  const own = join(directory, "exchange");
  await mkdir(own, { recursive: true, mode: 0o700 });
  const env: Environment = {
    ...environment,
    NIX_CONF_DIR: environment["NIX_CONF_DIR"] ?? (await nixConfiguration(own)),
    HOME: home ?? own,
    XDG_CACHE_HOME: join(own, "cache"),
    ...(home === null ? {} : { NIX_SSHOPTS: `-F ${home}/.ssh/config` }),
  };
  const nix = (program: readonly [string, ...string[]], signal: AbortSignal) =>
    run(program, { cwd: "/", env, signal, timeoutMs: LONGEST });
  const work = async (
    what: string,
    argv: readonly [string, ...string[]],
    paths: Iterable<string>,
    signal: AbortSignal,
    onEnd: (result: ProcessResult) => void = () => {},
  ): Promise<void> => {
    const all = [...new Set(paths)];
    for (let from = 0; from < all.length; from += PATHS_AT_ONCE) {
      const command: typeof argv = [...argv, ...all.slice(from, from + PATHS_AT_ONCE)];
      let result = await nix(command, signal);
      if (!succeeded(result) && !signal.aborted) {
        await setTimeout(PAUSE, undefined, { signal });
        result = await nix(command, signal);
      }
      signal.throwIfAborted();
      if (!succeeded(result)) throw new ExchangeFailure(`${what}: ${said(result, url)}`);
      onEnd(result);
    }
  };
  // What another runner has just put there must be seen: nothing is remembered of what was not there.
  const fresh = ["--option", "narinfo-cache-negative-ttl", "0"] as const;
  const copy = ["nix", "--extra-experimental-features", "nix-command", "copy", ...fresh] as const;
  return {
    id: exchangeId(configuration),
    async has(paths, signal) {
      const all = new Set(paths);
      const argv = [
        "nix-store",
        "--store",
        url,
        ...fresh,
        "--check-validity",
        "--print-invalid",
      ] as const;
      const found = new Set(all);
      await work("asking the exchange what it has", argv, all, signal, ({ stdout }) => {
        for (const line of new TextDecoder().decode(stdout).split("\n")) found.delete(line);
      });
      return found;
    },
    push: (outputs, signal) =>
      work("putting outputs into the exchange", [...copy, "--to", url], outputs, signal),
    pushDerivations: (drvs, signal) =>
      work(
        "putting derivations into the exchange",
        [...copy, "--derivation", "--to", url],
        drvs,
        signal,
      ),
    fetch: (outputs, signal) =>
      work("taking outputs from the exchange", [...copy, "--from", url], outputs, signal),
    fetchDerivations: (drvs, signal) =>
      work(
        "taking derivations from the exchange",
        [...copy, "--derivation", "--from", url],
        drvs,
        signal,
      ),
  };
}

async function nixConfiguration(own: string): Promise<string> {
  const directory = join(own, "nix");
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "registry.json"), '{"flakes":[],"version":2}\n');
  await writeFile(
    join(directory, "nix.conf"),
    `experimental-features = nix-command flakes\nsubstituters =\nflake-registry = ${directory}/registry.json\n`,
  );
  return directory;
}

/** What Nix complained of; the exchange's address is the operator's business, and a run's log may be public. */
function said(result: ProcessResult, url: string): string {
  const lines = clean(new TextDecoder().decode(result.stderr))
    .replaceAll(url, "the exchange")
    .split("\n")
    .filter((line) => /^\s*error:/iu.test(line));
  const complaint = lines.join("; ").slice(-1_500);
  return `nix ${describeEnd(result)}${complaint === "" ? "" : `: ${complaint}`}`;
}
