import { availableParallelism } from "node:os";
import { posix } from "node:path";
import { attributeName } from "../../../protocol/attribute.ts";
import type { Selection } from "../../../protocol/specification.ts";
import { shorten } from "../log/clean.ts";
import { fileRoot } from "./expression.ts";
import { lockFlake } from "./flake.ts";
import type { GroupContext, Program } from "./group.ts";
import { evaluateGroup } from "./group.ts";
import type { Evaluation, EvaluationOptions, Unprepared } from "./options.ts";
import { readOutline } from "./outline.ts";
import { outputKind } from "./outputs.ts";
import { settlePrograms } from "./programs.ts";
import type { Group } from "./units.ts";
import { declaredPaths, fileGroups, flakeGroups, flakePaths } from "./units.ts";
import type { Evaluator } from "./walk.ts";

export type { Evaluation, EvaluationOptions } from "./options.ts";

/** Warnings that are kept of one evaluation, and characters of one. */
const WARNINGS = { count: 50, characters: 4_096 } as const;

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
