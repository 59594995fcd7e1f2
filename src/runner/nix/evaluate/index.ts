import { availableParallelism } from "node:os";
import { attributeName } from "../../../protocol/attribute.ts";
import { shorten } from "../log/clean.ts";
import type { GroupContext, Program } from "./progress.ts";
import type { Unit } from "./expression.ts";
import type { GroupEnd } from "./group.ts";
import { evaluateUnits } from "./group.ts";
import { evaluateByJobs } from "./jobs/index.ts";
import { evaluateGroup } from "./look.ts";
import { readInventory } from "./inventory.ts";
import { withOwn } from "./inventory-own.ts";
import type { Evaluation, EvaluationOptions } from "./options.ts";
import { buildsWhileEvaluating, prepareFile, prepareFlake } from "./prepare.ts";
import { settlePrograms } from "./programs.ts";
import type { ClanMachine } from "./said.ts";
import { attributeForWantOf } from "./unfetched.ts";
import type { Group } from "./units.ts";

export type { Evaluation, EvaluationOptions } from "./options.ts";

/** Warnings that are kept of one evaluation, and characters of one. */
const WARNINGS = { count: 50, characters: 4_096 } as const;
/** Each process has no network, a checkout no branch, and the fetchers' limits are for the client alone: so it is meant. */
const MEANT =
  /you don't have Internet access|could not read HEAD ref from repo at '\/job\/|ignoring the client-specified setting '(?:download-attempts|stalled-download-timeout)'/u;

/** Attributes of one selection. A set that goes on beyond is taken to have no end, and the evaluation is ended. */
const MAX_ATTRIBUTES = 200_000;

/** Evaluates one selection. */
export async function evaluate(given: EvaluationOptions): Promise<Evaluation> {
  const tooMany = new AbortController();
  let told = 0;
  const options: EvaluationOptions = {
    ...given,
    signal: AbortSignal.any([given.signal, tooMany.signal]),
    onAttribute(attribute) {
      told += 1;
      if (told > MAX_ATTRIBUTES) tooMany.abort();
      else given.onAttribute(attribute);
    },
  };
  const warnings = new Set<string>();
  try {
    const ended = await attempt(options, warnings);
    if (!tooMany.signal.aborted) return ended;
  } catch (error) {
    // What was under way then was ended by us.
    if (!tooMany.signal.aborted) throw error;
  }
  return {
    kind: "error",
    message: `the evaluation gives more than ${MAX_ATTRIBUTES} attributes: it was ended`,
    position: null,
    warnings: [...warnings],
  };
}

async function attempt(options: EvaluationOptions, warnings: Set<string>): Promise<Evaluation> {
  const { selection, now } = options;
  const deadline = now() + options.seconds * 1_000;
  const missing: string[] = [];
  const programs: Program[] = [];
  const clan = new Map<string, ClanMachine>();
  const systems = new Set<string>();
  let peakBytes: number | null = null;
  const notes = {
    warn(message: string): void {
      if (warnings.size < WARNINGS.count && !MEANT.test(message))
        warnings.add(shorten(message, WARNINGS.characters));
    },
    peak(bytes: number | null): void {
      if (bytes !== null) peakBytes = Math.max(peakBytes ?? 0, bytes);
    },
    remainingMs: () => deadline - now(),
  };
  const prepared =
    selection.kind === "flake"
      ? await prepareFlake(options, selection, notes)
      : prepareFile(options, selection, notes);
  if (prepared.kind === "error") return { ...prepared, warnings: [...warnings] };
  if (prepared.kind !== "prepared") return prepared;
  missing.push(...prepared.missing);
  // What is built while it is evaluated cannot be looked at, and what is evaluated again is known not to be in the store.
  const look = options.again !== true && !buildsWhileEvaluating(options);
  const context: GroupContext = {
    ...prepared.context,
    selection: options.index,
    remainingMs: notes.remainingMs,
    now,
    onAttribute(attribute) {
      const [output, name] = attribute.path;
      if (output === "nixosConfigurations" && name !== undefined) systems.add(name);
      options.onAttribute(attributeForWantOf(prepared.unfetched, attribute));
    },
    onProgram: (program: Program) => programs.push(program),
    onMissing: (path: readonly string[]) => missing.push(attributeName(path)),
    onClan: (path, machine) => clan.set(path.at(-1) ?? "", machine),
    done: new Set(),
  };
  const end = await all(prepared.groups, async (group) => {
    const evaluate = (units: readonly Unit[]) => inEarnest(units, context, options);
    return look ? await evaluateGroup(group, context, evaluate) : await evaluate(group.units);
  });
  if (end !== null) return end;
  const inventory =
    prepared.hasInventory && options.again !== true
      ? await readInventory(prepared.context.evaluator, options.index, notes.remainingMs())
      : { machines: [] };
  if ("why" in inventory) notes.warn(`warning: clan's inventory cannot be read: ${inventory.why}`);
  const machines =
    "why" in inventory
      ? []
      : await withOwn(
          inventory.machines,
          systems,
          clan,
          prepared.context.evaluator,
          notes.remainingMs,
        );
  await settlePrograms(options, programs, (message) => notes.warn(message));
  return {
    kind: "evaluated",
    warnings: [...warnings],
    missing: missing.slice(0, 1_000).map((name) => shorten(name, 4_096)),
    findings: prepared.context.findings.list(),
    peakBytes,
    inventory: machines,
  };
}

/** Groups side by side, as many as there are processors (two at most: more share too little to gain). */
async function all(
  groups: readonly Group[],
  evaluate: (group: Group) => Promise<GroupEnd>,
): Promise<Extract<Evaluation, { kind: "cancelled" | "infrastructure" }> | null> {
  const waiting = [...groups];
  let bad: Extract<Evaluation, { kind: "cancelled" | "infrastructure" }> | null = null;
  const worker = async (): Promise<void> => {
    for (
      let group = waiting.shift();
      group !== undefined && bad === null;
      group = waiting.shift()
    ) {
      const end = await evaluate(group);
      if (end.kind === "cancelled" || end.kind === "infrastructure") bad ??= end;
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return bad;
}

/** By nix-eval-jobs where it is there and can (apps and files it cannot), else by the walk. */
async function inEarnest(
  units: readonly Unit[],
  context: GroupContext,
  { jobs, selection, version }: EvaluationOptions,
): Promise<GroupEnd> {
  if (jobs == null || selection.kind === "file") return await evaluateUnits(units, context);
  const able = units.filter(({ leaf }) => leaf !== "app");
  const apps = units.filter(({ leaf }) => leaf === "app");
  const end: GroupEnd =
    able.length === 0 ? { kind: "done" } : await evaluateByJobs(able, context, version);
  if (end.kind === "cancelled" || end.kind === "infrastructure") return end;
  return await evaluateUnits(end.kind === "left" ? units : apps, context);
}
