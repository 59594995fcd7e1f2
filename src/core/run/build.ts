import type { AttributeResult } from "../../protocol/attribute.ts";
import { LogStream } from "../../protocol/data.ts";
import type { Provenance } from "../../protocol/provenance.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { type LogPlace, mayBeFlaky } from "../flakiness/index.ts";
import { inSet } from "../config/match.ts";
import { reusable } from "../verdict/index.ts";
import { Draft } from "./draft.ts";
import { heldBack } from "./job.ts";
import { logOf } from "./log.ts";
import type { AttributeRow, Changes, DerivationRow, Slice } from "./rows.ts";

/** Derivations in one build job: of a run that stays at one runner, and of one that several may take jobs of. */
export const SLICE_SIZE = { alone: 500, shared: 200 } as const;
/** Jobs for each slot of the runners that share the rest of a run: nobody waits long for the one with the slowest. */
const JOBS_FOR_A_SLOT = 2;
/** Names in one build job, in characters: half of what a specification may have. */
const SLICE_CHARACTERS = 400_000;
/** How long a slice that is not full waits for more while the evaluation goes on (ms). */
export const SLICE_WAIT = 2_000;

export type Recalled = {
  drv: string;
  verdict: Verdict;
  seconds: number;
  at: number;
  /** The original builder's; null for a failure. */
  provenance: Provenance | null;
  log: LogPlace | null;
};

/** The Repo's answer for derivations in state `unknown`: judged where it may be, ready to build elsewhere. */
export function recalled(
  slice: Slice,
  asked: readonly string[],
  known: readonly Recalled[],
  now: number,
): Changes {
  const draft = new Draft(slice);
  if (draft.run.stopped !== null) return draft.changes();
  const verdicts = new Map(known.map((one) => [one.drv, one]));
  for (const drv of asked) {
    const derivation = draft.derivation(drv);
    if (derivation?.state !== "unknown") continue;
    const memory = verdicts.get(drv);
    const again = memory !== undefined && isAgain(draft.run, memory, pathsOf(slice, derivation));
    const verdict = memory && !again ? remembered(memory, now) : null;
    const log = memory?.log ? logOf(memory.log) : null;
    if (memory && verdict)
      draft.judgeDerivation(derivation, verdict, memory.seconds, log, false, memory.provenance);
    else draft.move(derivation, "ready", null, memory?.verdict.kind === "succeeded" ? log : null);
  }
  return draft.changes();
}

function pathsOf({ attributes }: Slice, { drv, path }: DerivationRow): string[][] {
  return [path, ...attributes.filter((row) => row.drv === drv).map((row) => row.path)];
}

/** Asked for again: the runner says what is there, and builds what is not (any more). */
function isAgain(
  { fresh, rules: { retry = "all" } }: Slice["run"],
  { verdict }: Recalled,
  paths: readonly string[][],
): boolean {
  if (!fresh || retry === "all") return fresh;
  if (verdict.kind === "succeeded") return false;
  return retry === "failed" || paths.some((path) => inSet(retry, path));
}

function remembered(memory: Recalled, now: number): Verdict | null {
  const { verdict, at, provenance } = memory;
  const life = reusable(verdict);
  if (life === null || now - at > life.milliseconds) return null;
  if (verdict.kind !== "succeeded") return verdict;
  // A success that no builder has signed is nobody's word.
  return provenance === null ? null : { kind: "succeeded", reused: true };
}

/**
 * Puts ready derivations of one system and set of features into jobs. The slice holds those rows, oldest first; what
 * does not fill a job stays unless `all`.
 * @param slots of the runners that may take jobs of the run; 0 where it stays at one.
 */
export function lease(slice: Slice, all: boolean, slots: number): Changes {
  const draft = new Draft(slice);
  if (
    draft.run.stopped !== null ||
    (draft.run.phase !== "evaluating" && draft.run.phase !== "building")
  )
    return draft.changes();
  const groups = new Map<string, DerivationRow[]>();
  for (const derivation of draft.derivations()) {
    if (derivation.state !== "ready") continue;
    const key = JSON.stringify([derivation.system, derivation.features]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [derivation]);
    else group.push(derivation);
  }
  for (const group of groups.values()) {
    for (const { part, full } of parts(group, sizeOf(group.length, all, slots))) {
      const [first] = part;
      if (first === undefined || (!full && !all)) continue;
      const system = first.system === "builtin" ? null : first.system;
      const job = draft.newJob({ kind: "build", system, features: first.features, retries: 0 });
      for (const derivation of part) draft.move(derivation, "leased", job.number);
    }
  }
  return draft.changes();
}

/** What is there for several is dealt out to all of them, whatever each derivation may turn out to take. */
function sizeOf(ready: number, all: boolean, slots: number): number {
  if (slots === 0) return SLICE_SIZE.alone;
  if (!all) return SLICE_SIZE.shared;
  return Math.min(SLICE_SIZE.shared, Math.ceil(ready / (slots * JOBS_FOR_A_SLOT)));
}

/** Jobs' worth of derivations, in order; only the last one may have room left. */
function parts(
  group: readonly DerivationRow[],
  most: number,
): { part: DerivationRow[]; full: boolean }[] {
  const found: { part: DerivationRow[]; full: boolean }[] = [];
  let part: DerivationRow[] = [];
  let characters = 0;
  for (const derivation of group) {
    const size = JSON.stringify(derivation.path).length + derivation.drv.length;
    if (part.length === most || (part.length > 0 && characters + size > SLICE_CHARACTERS)) {
      found.push({ part, full: true });
      part = [];
      characters = 0;
    }
    part.push(derivation);
    characters += size;
  }
  found.push({ part, full: part.length === most });
  return found;
}

/** The runner whose results these are, its enrolled key, and the commit that it evaluated. */
export type Builder = Pick<Provenance, "runner" | "key" | "sha">;

/** A batch of results of an attempt that is current; the slice has its job. Only derivations of that job are taken. */
export function results(
  slice: Slice,
  job: number,
  attempt: number,
  batch: readonly AttributeResult[],
  builder: Builder,
): Changes {
  const draft = new Draft(slice);
  if (draft.run.stopped !== null) return draft.changes();
  const owner = slice.jobs.find(({ number }) => number === job) ?? null;
  for (const result of batch) {
    const derivation = draft.derivation(result.drv);
    if (derivation === null || derivation.job !== job || derivation.state !== "leased") continue;
    if (heldBack(draft, owner, result.verdict)) continue;
    // A name that cannot be a stream's has no log behind it, and is no part of a link either.
    const stream = LogStream.safeParse(result.log);
    const found = result.verdict.kind === "succeeded" && result.seconds === 0;
    const log: AttributeRow["log"] = stream.success
      ? { job, attempt, stream: stream.data }
      : found
        ? derivation.earlier
        : null;
    draft.judgeDerivation(
      derivation,
      result.verdict,
      result.seconds,
      log,
      reusable(result.verdict) !== null || mayBeFlaky(result.verdict),
      result.attestation === undefined
        ? null
        : { ...result.attestation, ...builder, path: result.path },
    );
  }
  return draft.changes();
}
