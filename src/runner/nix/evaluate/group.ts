import type { Attribute } from "../../../protocol/attribute.ts";
import type { Position } from "../../../protocol/verdict.ts";
import { Derivation } from "../../../protocol/attribute.ts";
import type { LogPosition } from "../log/event.ts";
import { shorten } from "../log/clean.ts";
import type { Unit, WalkParameters } from "./expression.ts";
import { systemOf } from "./outputs.ts";
import type { Roots } from "./position.ts";
import { bestPosition, spelledPositions } from "./position.ts";
import type { Said, SaidDerivation } from "./said.ts";
import type { Findings } from "./findings.ts";
import type { Evaluator, WalkEnd } from "./walk.ts";
import { walk } from "./walk.ts";
import type { Group } from "./units.ts";

/** An app's program, whose derivation is known by path only until the store is asked. */
export interface Program {
  readonly path: readonly string[];
  readonly program: string;
  readonly derivations: readonly string[];
  readonly seconds: number | null;
}

export interface GroupContext {
  readonly evaluator: Evaluator;
  readonly selection: number;
  readonly roots: Roots;
  readonly calls: boolean;
  readonly args: Readonly<Record<string, string>>;
  /** Milliseconds left for everything, by the runner's own clock. */
  readonly remainingMs: () => number;
  readonly now: () => number;
  readonly onAttribute: (attribute: Attribute) => void;
  readonly onProgram: (program: Program) => void;
  readonly onMissing: (path: readonly string[]) => void;
  readonly findings: Findings;
}

export type GroupEnd =
  | { readonly kind: "done" }
  | Extract<WalkEnd, { kind: "cancelled" | "infrastructure" }>;

/** Sets nested deeper than this are not followed: they may be without end. */
const DEPTH = 8;
/** Components that the protocol carries, and characters of one. */
const PATH_LENGTH = 32;
const COMPONENT_LENGTH = 1_024;
/** The share of what is left of the time limit that one attribute may take, so that one that loops leaves the rest some. */
const ATTRIBUTE_SHARE = 0.5;
/** Processes that die on one attribute after having done others are started again on it, fresh, this often. */
const FRESH_STARTS = 1;

/** How often an attribute whose error could not be read is evaluated again before that is its verdict. */
const UNREAD_TRIES = 5;

/**
 * Evaluates the units of one group to the end, whatever some of them do: the attribute that ended a process gets the
 * error, and the next process goes on behind it. Each attribute is evaluated once.
 */
export async function evaluateGroup(group: Group, context: GroupContext): Promise<GroupEnd> {
  const skip: Record<string, true> = {};
  const state = new Progress(context);
  let units: Unit[] = [...group.units];
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
    unread = 0;
    const culprit = state.current?.path ?? units[0]!.path;
    if (end.kind === "out-of-memory" && state.settledHere > 0 && freshStarts < FRESH_STARTS) {
      // The memory may be that of its predecessors: it gets a process of its own before it is blamed.
      freshStarts += 1;
    } else {
      freshStarts = 0;
      state.fail(culprit, ...explain(end, state.current?.position ?? null, context));
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
  return /unable to download|cannot download|resolve host|could ?n.t connect|network is unreachable|unable to access|Failed to connect|while fetching/iu.test(
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
  const share = (): number => Math.max(1, context.remainingMs() * ATTRIBUTE_SHARE);
  try {
    return await walk(context.evaluator, parameters, context.remainingMs(), (said, stop) => {
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
      return [
        NEEDS_BUILDS.test(end.message) ? `${end.message}\n\n${HOW_TO_BUILD}` : end.message,
        bestPosition(
          [...end.positions, ...spelledPositions(end.message), definition],
          context.roots,
        ),
      ];
  }
}

/** Nix's words where evaluation would have to build, and may not. */
const NEEDS_BUILDS = /allow-import-from-derivation/u;
const HOW_TO_BUILD =
  "Evaluating it would have to build something first (import from derivation), which is off. `import_from_derivation: true` on its entry under `evaluate` in .github/snowcat.yml of the default branch turns it on; never for a fork, nor on an untrusted runner.";

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

/** What the walk has said so far about one group. */
class Progress {
  /** The unit that the current process is in (as JSON text). */
  unit: string | null = null;
  /** How many members of the unit have been started or passed over, in all processes. */
  members = 0;
  /** The member at hand. */
  member: readonly string[] | null = null;
  current: { path: readonly string[]; position: LogPosition | null; since: number } | null = null;
  /** Attributes that were settled by the current process. */
  settledHere = 0;
  readonly done = new Set<string>();
  readonly failed = new Set<string>();
  readonly #context: GroupContext;
  #from: ReadonlyMap<string, number> = new Map();
  #unitPath: readonly string[] = [];

  constructor(context: GroupContext) {
    this.#context = context;
  }

  begin(units: readonly Unit[]): void {
    this.#from = new Map(units.map((unit) => [JSON.stringify(unit.path), unit.from]));
    this.unit = null;
    this.member = null;
    this.members = 0;
    this.current = null;
    this.settledHere = 0;
  }

  hear(said: Said): void {
    switch (said.kind) {
      case "start":
        this.#start(said.path, said.position);
        break;
      case "at":
        if (this.current !== null) this.current.position = said.position ?? this.current.position;
        break;
      case "derivation":
        this.#derivation(said.path, said.derivation);
        break;
      case "program":
        this.#settled(said.path, (seconds) =>
          this.#context.onProgram({
            path: said.path,
            program: said.program,
            derivations: said.derivations,
            seconds,
          }),
        );
        break;
      case "refused":
        this.fail(
          said.path,
          said.reason,
          bestPosition([this.current?.position ?? null], this.#context.roots),
        );
        break;
      case "missing":
        this.#settled(said.path, () => this.#context.onMissing(said.path));
        break;
      case "finding":
        this.#context.findings.add(
          said.path,
          said.position ?? this.current?.position ?? null,
          said.reason,
        );
        break;
      case "outputs":
      case "systems":
      case "outlined":
      case "settings":
      case "look":
        break;
    }
  }

  fail(path: readonly string[], message: string, position: ReturnType<typeof bestPosition>): void {
    this.failed.add(JSON.stringify(path));
    this.#settled(path, (seconds) =>
      this.#emit(path, { kind: "error", message: shorten(message, 16_384), position }, seconds),
    );
  }

  finished(path: readonly string[]): boolean {
    return this.done.has(JSON.stringify(path));
  }

  #start(path: readonly string[], position: LogPosition | null): void {
    this.current = { path, position, since: this.#context.now() };
    const inUnit =
      this.unit !== null &&
      path.length > this.#unitPath.length &&
      this.#unitPath.every((part, index) => path[index] === part);
    if (!inUnit) {
      this.unit = JSON.stringify(path);
      this.#unitPath = path;
      this.member = null;
      this.members = this.#from.get(this.unit) ?? 0;
    } else if (path.length === this.#unitPath.length + 1) {
      this.member = path;
      this.members += 1;
    }
  }

  #derivation(path: readonly string[], said: SaidDerivation | null): void {
    const derivation =
      said === null ? null : Derivation.safeParse({ ...said, features: said.features.toSorted() });
    if (derivation?.success)
      this.#settled(path, (seconds) =>
        this.#emit(path, { kind: "derivation", derivation: derivation.data }, seconds),
      );
    else
      this.fail(
        path,
        "is a derivation whose name, system, outputs or features cannot be used",
        bestPosition([this.current?.position ?? null], this.#context.roots),
      );
  }

  #settled(path: readonly string[], report: (seconds: number | null) => void): void {
    const text = JSON.stringify(path);
    if (this.done.has(text)) return;
    this.done.add(text);
    this.settledHere += 1;
    report(
      this.current !== null && JSON.stringify(this.current.path) === text
        ? (this.#context.now() - this.current.since) / 1_000
        : null,
    );
  }

  #emit(path: readonly string[], result: Attribute["result"], seconds: number | null): void {
    const short = path.slice(0, PATH_LENGTH).map((part) => shorten(part, COMPONENT_LENGTH));
    this.#context.onAttribute({
      selection: this.#context.selection,
      path: short,
      system: systemOf(path),
      result,
      seconds,
    });
  }
}
