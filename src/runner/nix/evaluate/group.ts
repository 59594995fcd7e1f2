import type { Position } from "../../../protocol/verdict.ts";
import type { LogPosition } from "../log/event.ts";
import type { Unit, WalkParameters } from "./expression.ts";
import { withHint } from "./hints.ts";
import type { Roots } from "./position.ts";
import { bestPosition, spelledPositions } from "./position.ts";
import type { GroupContext } from "./progress.ts";
import { DEPTH, Progress } from "./progress.ts";
import type { WalkEnd } from "./walk.ts";
import { walk } from "./walk.ts";

export type GroupEnd =
  | { readonly kind: "done" }
  /** Of a look: its time was up, or it takes too much. */
  | { readonly kind: "left" }
  | Extract<WalkEnd, { kind: "cancelled" | "infrastructure" }>;

/** The share of what is left of the time limit that one attribute may take, so that one that loops leaves the rest some. */
const ATTRIBUTE_SHARE = 0.5;
/** Processes that die on one attribute after having done others are started again on it, fresh, this often. */
const FRESH_STARTS = 1;

/** How often an attribute whose error could not be read is evaluated again before that is its verdict. */
const UNREAD_TRIES = 5;

/**
 * Evaluates the units of one group to the end, whatever some of them do: the attribute that ended a process gets the
 * error, and the next process goes on behind it. Each attribute is evaluated once. With `hold`, it is only a look: nobody
 * is blamed.
 */
export async function evaluateUnits(
  given: readonly Unit[],
  context: GroupContext,
): Promise<GroupEnd> {
  const looking = context.hold !== undefined;
  const skip: Record<string, true> = {};
  const state = new Progress(context);
  let units: Unit[] = [...given];
  let freshStarts = 0;
  let unread = 0;
  let network = context.evaluator.network;
  while (units.length > 0) {
    const parameters: Omit<WalkParameters, "nonce"> = {
      mode: "walk",
      kinds: [],
      units,
      skip,
      calls: context.calls,
      args: context.args,
      depth: DEPTH,
    };
    state.begin(units);
    const end = await watched(
      { ...context, evaluator: { ...context.evaluator, network, trace: unread === 0 } },
      state,
      parameters,
    );
    if (end.kind === "cancelled" || end.kind === "infrastructure") return end;
    if (end.kind === "done") {
      return end;
    }
    if (end.kind === "error" && network === "none" && needsNetwork(end.message)) {
      network = "proxy";
      units = behind(units, state, skip);
      continue;
    }
    if (end.kind === "error" && end.unread && unread < UNREAD_TRIES) {
      // What it said decides (network or not, file and line): it is asked again rather than guessed at.
      unread += 1;
      units = behind(units, state, skip);
      continue;
    }
    if (looking && end.kind !== "error") return { kind: "left" };
    unread = 0;
    const culprit = state.current?.path ?? units[0]!.path;
    if (end.kind === "out-of-memory" && state.settledHere > 0 && freshStarts < FRESH_STARTS) {
      // The memory may be that of its predecessors: it gets a process of its own before it is blamed.
      freshStarts += 1;
    } else {
      freshStarts = 0;
      if (looking) state.doubt(culprit);
      else state.fail(culprit, ...explain(end, state.current?.position ?? null, context));
    }
    const before = JSON.stringify([units, skip]);
    units = behind(units, state, skip);
    if (freshStarts === 0 && JSON.stringify([units, skip]) === before) {
      return {
        kind: "infrastructure",
        message: `the evaluation does not get past ${JSON.stringify(culprit)}`,
      };
    }
    if (context.remainingMs() <= 0) {
      if (looking) return { kind: "left" };
      for (const unit of units) {
        if (!state.done.has(JSON.stringify(unit.path)))
          state.fail(
            unit.path,
            "not evaluated to the end: the time limit of the evaluation has passed",
            null,
          );
      }
      return { kind: "done" };
    }
  }
  return { kind: "done" };
}

/** A fetcher reached for the network where there was none. */
export function needsNetwork(message: string): boolean {
  return /unable to download|cannot download|resolve host|could ?n.t connect|network is unreachable|unable to access|Failed to connect|while fetching|program 'git' failed|cannot find git revision|failed to fetch git repository|resolving git reference/iu.test(
    message,
  );
}

/** One process, ended when a single attribute takes more than its share. */
async function watched(
  context: GroupContext,
  state: Progress,
  parameters: Omit<WalkParameters, "nonce">,
): Promise<WalkEnd> {
  let timer: NodeJS.Timeout | undefined;
  const processMs = context.processMs ?? context.remainingMs;
  const share = (): number => Math.max(1, context.remainingMs() * ATTRIBUTE_SHARE);
  try {
    return await walk(context.evaluator, parameters, processMs(), (said, stop) => {
      state.hear(said);
      clearTimeout(timer);
      timer = setTimeout(stop, share());
    });
  } finally {
    clearTimeout(timer);
  }
}

function explain(
  end: Exclude<WalkEnd, { kind: "done" | "cancelled" | "infrastructure" }>,
  definition: LogPosition | null,
  context: GroupContext,
): [string, Position | null] {
  const defined = bestPosition([definition], context.roots);
  switch (end.kind) {
    case "timed-out":
      return ["evaluating it took too long: the time limit passed", defined];
    case "out-of-memory":
      return [
        `evaluating it needs more memory than the limit of ${Math.round(context.evaluator.memoryBytes / 1_048_576)} MiB`,
        defined,
      ];
    case "error":
      return explainError(
        end.message,
        [...end.positions, ...spelledPositions(end.message), definition],
        context.roots,
      );
  }
}

/** An error's text, with what to do about it where that is known, and its place. */
export function explainError(
  message: string,
  positions: readonly (LogPosition | null)[],
  roots: Roots,
): [string, Position | null] {
  return [withHint(message), bestPosition(positions, roots)];
}

/** The units that are left. What is skipped inside them is named in `skip`, which stays short: a position says the rest. */
function behind(units: readonly Unit[], state: Progress, skip: Record<string, true>): Unit[] {
  const at = units.findIndex((unit) => JSON.stringify(unit.path) === state.unit);
  const left = at < 0 ? [...units] : units.slice(at);
  const [first] = left;
  for (const path of Object.keys(skip)) delete skip[path];
  if (at < 0 || first === undefined || state.member === null) {
    return left.filter((unit) => !state.finished(unit.path));
  }
  const finished = state.finished(state.member);
  // A failure further down: the member is walked again, without what has failed in it.
  if (!finished)
    for (const path of state.failed)
      if (path.startsWith(JSON.stringify(state.member).slice(0, -1))) skip[path] = true;
  return [{ ...first, from: finished ? state.members : state.members - 1 }, ...left.slice(1)];
}
