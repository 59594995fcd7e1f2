import { availableParallelism } from "node:os";
import { posix } from "node:path";
import type { Attribute } from "../../../protocol/attribute.ts";
import { attributeName, Derivation } from "../../../protocol/attribute.ts";
import type { Selection } from "../../../protocol/specification.ts";
import type { Position } from "../../../protocol/verdict.ts";
import type { Workspace } from "../launch.ts";
import type { NixVersion } from "../version.ts";
import { shorten } from "../log/clean.ts";
import { showDerivations } from "../store/derivations.ts";
import { fileRoot } from "./expression.ts";
import { lockFlake } from "./flake.ts";
import type { GroupContext, Program } from "./group.ts";
import { evaluateGroup } from "./group.ts";
import { outputKind, systemOf } from "./outputs.ts";
import { bestPosition, spelledPositions } from "./position.ts";
import type { Group, Outline } from "./units.ts";
import { declaredPaths, fileGroups, flakeGroups, flakePaths } from "./units.ts";
import type { Evaluator } from "./walk.ts";
import { walk } from "./walk.ts";

export interface EvaluationOptions {
  readonly workspace: Workspace;
  readonly version: NixVersion;
  /** The checked-out tree as the job's programs see it. */
  readonly tree: string;
  /** Set when the tree is a git checkout whose flakes are to see their revision. */
  readonly revision: string | null;
  readonly selection: Selection;
  /** The selection's index in the specification. */
  readonly index: number;
  readonly seconds: number;
  readonly memoryBytes: number;
  /** Whether evaluation may build (import from derivation). */
  readonly importFromDerivation: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly onAttribute: (attribute: Attribute) => void;
}

/** Warnings that are kept of one evaluation, and characters of one. */
const WARNINGS = { count: 50, characters: 4_096 } as const;

/** How the evaluation of a selection ended; its attributes have been handed on by then. */
export type Evaluation =
  | {
      readonly kind: "evaluated";
      readonly warnings: readonly string[];
      readonly missing: readonly string[];
    }
  /** Nothing of it could be evaluated. */
  | {
      readonly kind: "error";
      readonly message: string;
      readonly position: Position | null;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

/** Evaluates one selection. */
export async function evaluate(options: EvaluationOptions): Promise<Evaluation> {
  const { selection, now } = options;
  const deadline = now() + options.seconds * 1_000;
  const warnings = new Set<string>();
  const missing: string[] = [];
  const programs: Program[] = [];
  const warn = (message: string): void => {
    // Each process without network says so; it is meant.
    if (warnings.size < WARNINGS.count && !message.includes("you don't have Internet access"))
      warnings.add(shorten(message, WARNINGS.characters));
  };
  const shared = {
    selection: options.index,
    remainingMs: () => deadline - now(),
    now,
    onAttribute: options.onAttribute,
    onProgram: (program: Program) => programs.push(program),
    onMissing: (path: readonly string[]) => missing.push(attributeName(path)),
  };
  const prepared =
    selection.kind === "flake"
      ? await prepareFlake(options, selection, shared.remainingMs, warn)
      : prepareFile(options, selection, warn);
  if (prepared.kind === "error") return { ...prepared, warnings: [...warnings] };
  if (prepared.kind !== "prepared") return prepared;
  missing.push(...prepared.missing);
  const end = await all(prepared.groups, { ...shared, ...prepared.context });
  if (end !== null) return end;
  await settlePrograms(options, programs, warn);
  return {
    kind: "evaluated",
    warnings: [...warnings],
    missing: missing.slice(0, 1_000).map((name) => shorten(name, 4_096)),
  };
}

type Prepared = {
  readonly kind: "prepared";
  readonly groups: readonly Group[];
  readonly missing: readonly string[];
  readonly context: Pick<GroupContext, "evaluator" | "roots" | "calls" | "args">;
};
type Unprepared =
  | { readonly kind: "error"; readonly message: string; readonly position: Position | null }
  | Extract<Evaluation, { kind: "cancelled" | "infrastructure" }>;

async function prepareFlake(
  options: EvaluationOptions,
  selection: Extract<Selection, { kind: "flake" }>,
  remainingMs: () => number,
  warn: (message: string) => void,
): Promise<Prepared | Unprepared> {
  const { workspace, tree, revision, memoryBytes, signal } = options;
  const locked = await lockFlake({
    workspace,
    tree,
    directory: selection.directory,
    revision,
    timeoutMs: Math.max(1, remainingMs()),
    memoryBytes,
    signal,
  });
  if (locked.kind !== "locked") return locked;
  for (const warning of locked.warnings) warn(warning);
  const { flake } = locked;
  const evaluator = evaluatorOf(options, flake.root, flake.hasInputs ? "proxy" : "none", [], warn);
  const roots = [flake.storePath, tree];
  const { paths, malformed } = flakePaths(selection);
  for (const spelled of malformed)
    warn(`warning: ${JSON.stringify(spelled)} is not an attribute path: it was passed over`);
  const kinds = [
    ...new Set(
      paths
        .filter((path) => path.length === 1 && outputKind(path[0]!).by === "system")
        .map((path) => path[0]!),
    ),
  ];
  const outline = await readOutline(evaluator, kinds, roots, remainingMs(), options);
  if (outline.kind !== "outline") return outline;
  const names = new Set(outline.outline.outputs);
  // A kind of output that a flake does not have is no news; what is asked for by a longer path is.
  const present = paths.filter((path) => names.has(path[0]!));
  const absent = paths.filter((path) => !names.has(path[0]!) && path.length > 1);
  return {
    kind: "prepared",
    groups: flakeGroups(
      present.filter((path) => !outline.broken.has(path[0]!)),
      selection.systems,
      outline.outline,
    ),
    missing: [...absent.map(attributeName), ...malformed],
    context: { evaluator, roots, calls: false, args: {} },
  };
}

function prepareFile(
  options: EvaluationOptions,
  selection: Extract<Selection, { kind: "file" }>,
  warn: (message: string) => void,
): Prepared | Unprepared {
  const relative = posix.normalize(selection.file === "" ? "." : selection.file);
  if (relative.startsWith("..") || posix.isAbsolute(relative)) {
    return {
      kind: "error",
      message: `the file ${JSON.stringify(selection.file)} is not inside the repository`,
      position: null,
    };
  }
  const file = relative === "." ? options.tree : posix.join(options.tree, relative);
  const { paths, malformed } = declaredPaths(selection.attributes);
  return {
    kind: "prepared",
    groups: fileGroups(paths),
    missing: malformed,
    // A file is evaluated as nix-build would: impure, and so with whatever network the policy allows.
    context: {
      evaluator: evaluatorOf(options, fileRoot(file), "none", ["--impure"], warn),
      roots: [options.tree],
      calls: true,
      args: selection.args,
    },
  };
}

function evaluatorOf(
  options: EvaluationOptions,
  root: string,
  network: "none" | "proxy",
  more: readonly string[],
  onWarning: (message: string) => void,
): Evaluator {
  return {
    workspace: options.workspace,
    root,
    arguments: [
      "--option",
      "accept-flake-config",
      "false",
      "--option",
      "allow-import-from-derivation",
      String(options.importFromDerivation),
      "--option",
      "restrict-eval",
      "false",
      ...more,
    ],
    network,
    memoryBytes: options.memoryBytes,
    signal: options.signal,
    onWarning,
  };
}

/** Output names and their systems; an output that fails here becomes an attribute with its error. */
async function readOutline(
  evaluator: Evaluator,
  kinds: readonly string[],
  roots: readonly string[],
  timeoutMs: number,
  options: EvaluationOptions,
): Promise<{ kind: "outline"; outline: Outline; broken: ReadonlySet<string> } | Unprepared> {
  const broken = new Set<string>();
  for (;;) {
    let outputs: readonly string[] | null = null;
    const systems = new Map<string, readonly string[]>();
    let current: string | null = null;
    let refused: string | null = null;
    const report = (kind: string, message: string, position: Position | null): void => {
      broken.add(kind);
      options.onAttribute({
        selection: options.index,
        path: [kind],
        system: null,
        result: { kind: "error", message: shorten(message, 16_384), position },
        seconds: null,
      });
    };
    const end = await walk(
      evaluator,
      {
        mode: "outline",
        kinds: kinds.filter((kind) => !broken.has(kind)),
        units: [],
        skip: {},
        calls: false,
        args: {},
        depth: 0,
      },
      timeoutMs,
      (said) => {
        if (said.kind === "outputs") outputs = said.names;
        else if (said.kind === "start") current = said.path[0] ?? null;
        else if (said.kind === "systems") systems.set(said.output, said.systems);
        else if (said.kind === "refused" && said.path.length === 0) refused = said.reason;
        else if (said.kind === "refused") report(said.path[0]!, said.reason, null);
      },
    );
    if (end.kind === "cancelled" || end.kind === "infrastructure") return end;
    if (end.kind === "done") {
      if (outputs === null)
        return {
          kind: "error",
          message: `the flake's outputs ${refused ?? "are not known"}`,
          position: null,
        };
      return { kind: "outline", outline: { outputs, systems }, broken };
    }
    const message =
      end.kind === "error"
        ? end.message
        : end.kind === "timed-out"
          ? "evaluating the flake's outputs took too long: the time limit passed"
          : "evaluating the flake's outputs needs more memory than the limit";
    const position =
      end.kind === "error"
        ? bestPosition([...end.positions, ...spelledPositions(end.message)], roots)
        : null;
    if (outputs === null || current === null || broken.has(current))
      return { kind: "error", message: shorten(message, 16_384), position };
    report(current, message, position);
  }
}

/** Groups side by side, as many as there are processors (two at most: more share too little to gain). */
async function all(
  groups: readonly Group[],
  context: GroupContext,
): Promise<Extract<Evaluation, { kind: "cancelled" | "infrastructure" }> | null> {
  const waiting = [...groups];
  let bad: Extract<Evaluation, { kind: "cancelled" | "infrastructure" }> | null = null;
  const worker = async (): Promise<void> => {
    for (
      let group = waiting.shift();
      group !== undefined && bad === null;
      group = waiting.shift()
    ) {
      const end = await evaluateGroup(group, context);
      if (end.kind !== "done") bad ??= end;
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return bad;
}

/** Apps name a program; the store knows the derivations behind it. */
async function settlePrograms(
  options: EvaluationOptions,
  programs: readonly Program[],
  warn: (message: string) => void,
): Promise<void> {
  const drvs = [
    ...new Set(
      programs.flatMap((program) => program.derivations.filter((path) => path.endsWith(".drv"))),
    ),
  ];
  const graph = await showDerivations(
    options.workspace,
    options.version,
    drvs,
    false,
    options.signal,
  );
  for (const { path, program, derivations, seconds } of programs) {
    const nodes = derivations.flatMap((drv) => graph.get(drv) ?? []);
    const node =
      nodes.find(({ outputs }) =>
        [...outputs.values()].some(
          (output) => output !== null && (program === output || program.startsWith(`${output}/`)),
        ),
      ) ?? nodes[0];
    if (node === undefined) {
      warn(
        `warning: ${attributeName(path)} names the program ${shorten(program, 200)}, which no derivation makes: there is nothing to build`,
      );
      continue;
    }
    const derivation = Derivation.safeParse({
      path: node.drv,
      name: node.name,
      system: node.system,
      outputs: Object.fromEntries(node.outputs),
      features: [...node.features],
    });
    options.onAttribute({
      selection: options.index,
      path: [...path],
      system: systemOf(path),
      result: derivation.success
        ? { kind: "derivation", derivation: derivation.data }
        : {
            kind: "error",
            message: "its program comes from a derivation whose name or system cannot be used",
            position: null,
          },
      seconds,
    });
  }
}
