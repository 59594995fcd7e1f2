import { Observation } from "../../protocol/machine.ts";
import type { Facts } from "./answer.ts";
import type { DeployState, FileDigest } from "./machine.ts";
import { DEPLOY_STATES } from "./machine.ts";

/** @throws when the machine told what no machine can be */
export function observationOf(facts: Facts, at: number): Observation {
  const profile = facts.words("profile");
  return Observation.parse({
    at,
    system: facts.word("system"),
    booted: facts.word("booted"),
    profile: profile === null ? null : generation(profile),
    generations: facts.each("generation").map(generation),
    failedUnits: failedUnits(facts, "failed"),
    nix: free(facts, "nix"),
    boot: facts.has("boot") ? free(facts, "boot") : null,
    counter: facts.number("counter"),
    unfinished: unfinished(facts),
    updaters: facts.each("updater").map(([unit]) => unit),
    bootId: facts.word("boot-id"),
  });
}

function generation([number, system, seconds]: readonly string[]): object {
  return { number: Number(number), system, at: Number(seconds) * 1_000 };
}

function free(facts: Facts, key: string): object {
  return { freeBytes: facts.number(key, 0), freeInodes: facts.number(key, 1) };
}

function unfinished(facts: Facts): object | null {
  const words = facts.words("unfinished");
  if (words === null) return null;
  const [counter, step, since] = words;
  return { counter: Number(counter), step, since: Number(since) * 1_000 };
}

/** Null where no systemd answers. */
export function failedUnits(facts: Facts, key: string): string[] | null {
  if (facts.word("systemd") !== "yes") return null;
  return facts.each(key).flatMap(([unit]) => unit ?? []);
}

/** Null where no deploy was ever begun. @throws as `observationOf` */
export function stateOf(facts: Facts): DeployState | null {
  const counter = facts.number("deploy");
  if (counter === null) return null;
  const [word, since] = facts.words("state") ?? [];
  const name = DEPLOY_STATES.find((known) => known === word);
  const old = facts.word("old");
  const wanted = facts.word("new");
  if (name === undefined || old === null)
    throw new Error(`deploy ${counter} is in a state that is not known: ${word}`);
  return {
    counter,
    name,
    ended: facts.has("ended"),
    alive: facts.has("alive"),
    guarded: facts.has("guarded"),
    since: Number(since),
    old,
    new: wanted,
    activation: facts.number("activation"),
    log: facts.text("log") ?? "",
    why: facts.text("why"),
    generation: facts.number("generation"),
    running: facts.word("running"),
    boots: facts.word("boots"),
    rebooted: facts.has("rebooted"),
    newlyFailed: failedUnits(facts, "newly-failed"),
    stillFailed: failedUnits(facts, "still-failed"),
  };
}

const SHA256 = /^[0-9a-f]{64}$/u;

/** @throws as `observationOf` */
export function digestsOf(facts: Facts, asked: number): FileDigest[] {
  const found = facts.each("digest").map(([kind, first = "", second = ""]): FileDigest => {
    if (kind === "missing" || kind === "other") return { kind };
    if (kind === "folder") return { kind, entries: Number(first) };
    if (kind === "file" && SHA256.test(first))
      return { kind, sha256: first, bytes: Number(second) };
    throw new Error(`a path is ${kind}`);
  });
  if (found.length !== asked) throw new Error(`${found.length} of ${asked} paths were answered`);
  return found;
}
