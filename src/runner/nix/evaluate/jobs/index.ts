import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import type { LaunchResult, Workspace } from "../../launch.ts";
import { describeLaunch, ended, text } from "../../launch.ts";
import { clean } from "../../log/clean.ts";
import { lineSplitter } from "../../log/lines.ts";
import { showDerivations } from "../../store/derivations.ts";
import type { NixVersion } from "../../version.ts";
import type { Unit } from "../expression.ts";
import type { GroupEnd } from "../group.ts";
import { explainError, needsNetwork } from "../group.ts";
import { DEPTH, type GroupContext, Progress } from "../progress.ts";
import { spelledPositions } from "../position.ts";
import type { JobLine } from "./line.ts";
import { parseJobLine } from "./line.ts";
import { decodePath, jobsExpression } from "./expression.ts";

const PROGRAM = "nix-eval-jobs";
const MISSING = "is not there";
/** Workers of one group: two groups are evaluated side by side. */
const WORKERS = Math.max(1, Math.floor(availableParallelism() / 2));
/** Derivations whose features are asked for together. */
const ASKED_AT_ONCE = 200;
/** The share of what is left of the time limit that may pass without a line. */
const SILENT_SHARE = 0.5;

type Job = Extract<JobLine, { kind: "job" }>;

/** Whether the tool is on the PATH of this runner's jobs, and its version as far as its place tells; null where it is not. */
export async function findJobs(workspace: Workspace): Promise<string | null> {
  const found = await workspace.launch({
    argv: ["sh", "-c", `p=$(command -v ${PROGRAM}) && readlink -f -- "$p"`],
    network: "none",
  });
  if (found.exitCode === null || found.startFailure !== null)
    throw new Error(`looking for ${PROGRAM}: the shell ${describeLaunch(found)}`);
  if (!ended(found)) return null;
  return /nix-eval-jobs-(\d[\w.]*)/u.exec(text(found.stdout))?.[1] ?? "of unknown version";
}

/**
 * Evaluates units by nix-eval-jobs: several workers, each begun anew when it has grown too large. What it says is taken; where
 * it ended before it had said everything (a worker died, the time for one attribute is up), `left` leaves the rest, and the
 * blame, to the walk.
 */
export async function evaluateByJobs(
  units: readonly Unit[],
  context: GroupContext,
  version: NixVersion,
): Promise<GroupEnd> {
  const { evaluator } = context;
  const nonce = randomBytes(12).toString("hex");
  const state = new Progress(context);
  const waiting: Job[] = [];
  const asked: Promise<void>[] = [];
  const ask = (): void => {
    if (waiting.length > 0) asked.push(features(waiting.splice(0), context, version, state));
    // Its failure is raised where it is waited for.
    asked.at(-1)?.catch(() => {});
  };
  let offline = false;
  const silent = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), Math.max(1, context.remainingMs() * SILENT_SHARE));
  };
  let unread = 0;
  const lines = lineSplitter((line) => {
    heard();
    const said = line === "" ? null : parseJobLine(line);
    const path = said === null ? null : decodePath(said.path, units);
    if (said === null || path === null) unread += line === "" ? 0 : 1;
    else if (said.kind === "error") {
      if (evaluator.network === "none" && needsNetwork(said.error)) {
        offline = true;
        silent.abort();
      } else tellError(state, context, path, said.error, nonce);
    } else if (said.requiredSystemFeatures === undefined) {
      waiting.push({ ...said, path });
      if (waiting.length >= ASKED_AT_ONCE) ask();
    } else state.settle(path, saidOf(said, said.requiredSystemFeatures));
  });
  heard();
  const result = await evaluator.workspace.launch({
    argv: [
      PROGRAM,
      "--workers",
      String(WORKERS),
      "--max-memory-size",
      String(Math.max(64, Math.floor(evaluator.memoryBytes / (WORKERS + 1) / 2 ** 20))),
      "--show-trace",
      "--option",
      "pure-eval",
      "true",
      ...evaluator.arguments,
      "--expr",
      jobsExpression({ nonce, missing: MISSING, units, depth: DEPTH }, evaluator.root),
    ],
    network: evaluator.network,
    memoryBytes: evaluator.memoryBytes,
    timeoutMs: Math.max(1, context.remainingMs()),
    graceMs: 50,
    signal: AbortSignal.any([evaluator.signal, silent.signal]),
    maxOutput: 4_096,
    onStdout: (chunk) => lines.push(chunk),
  });
  clearTimeout(timer);
  lines.end();
  evaluator.onPeak(result.peakBytes);
  if (evaluator.signal.aborted) return { kind: "cancelled" };
  ask();
  await Promise.all(asked);
  if (offline)
    return await evaluateByJobs(
      units,
      { ...context, evaluator: { ...evaluator, network: "proxy" } },
      version,
    );
  if (ended(result) && unread === 0) return { kind: "done" };
  evaluator.onWarning(`warning: ${why(result, unread, silent.signal.aborted)}`);
  return { kind: "left" };
}

/** What older versions do not tell is asked of the store. */
async function features(
  waiting: readonly Job[],
  { evaluator }: GroupContext,
  version: NixVersion,
  state: Progress,
): Promise<void> {
  const graph = await showDerivations(
    evaluator.workspace,
    version,
    waiting.map(({ drvPath }) => drvPath),
    false,
    evaluator.signal,
  );
  // What the store does not know after all is left to the walk.
  for (const said of waiting) {
    const node = graph.get(said.drvPath);
    if (node !== undefined) state.settle(said.path, saidOf(said, [...node.features]));
  }
}

function saidOf(
  { drvPath, name, system, outputs }: Job,
  required: readonly string[],
): Parameters<Progress["settle"]>[1] {
  return { path: drvPath, name, system, outputs, features: [...required] };
}

function tellError(
  state: Progress,
  context: GroupContext,
  path: readonly string[],
  error: string,
  nonce: string,
): void {
  const cleaned = clean(error);
  const own = new RegExp(`${nonce} (.*)`, "u").exec(cleaned)?.[1];
  if (own === MISSING) return state.missing(path);
  // The message stands last, with its own place behind it; what it was called by stands before, outermost first.
  const at = own === undefined ? cleaned.lastIndexOf("error:") : -1;
  const message = (own ?? (at < 0 ? cleaned : cleaned.slice(at + "error:".length))).trim();
  const positions = [
    ...spelledPositions(at < 0 ? "" : cleaned.slice(at)),
    ...spelledPositions(at < 0 ? cleaned : cleaned.slice(0, at)).toReversed(),
  ];
  state.fail(path, ...explainError(message, positions, context.roots));
}

function why(result: LaunchResult, unread: number, silent: boolean): string {
  const reason = silent
    ? "said nothing for too long"
    : unread > 0
      ? `wrote ${unread} lines that cannot be read`
      : result.outOfMemory
        ? "ran out of memory"
        : `ended with ${result.exitCode ?? result.signal ?? "nothing"}: ${clean(text(result.stderr)).trim().slice(-500)}`;
  return `${PROGRAM} ${reason}; nix eval went on where it had stopped`;
}
