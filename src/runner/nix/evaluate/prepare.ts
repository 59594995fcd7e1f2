import { posix } from "node:path";
import { attributeName } from "../../../protocol/attribute.ts";
import type { Selection } from "../../../protocol/specification.ts";
import type { Root } from "./expression.ts";
import { fileRoot, FORMATTER_CHECK_OUTPUT, flakeRoot } from "./expression.ts";
import { Findings } from "./findings.ts";
import { INVENTORY_OUTPUT } from "./inventory.ts";
import type { LockedFlake } from "./flake.ts";
import { lockFlake } from "./flake.ts";
import type { GroupContext } from "./progress.ts";
import type { EvaluationOptions, Unprepared } from "./options.ts";
import { readOutline } from "./outline.ts";
import { outputKind } from "./outputs.ts";
import { forWantOf } from "./unfetched.ts";
import type { Group } from "./units.ts";
import { declaredPaths, fileGroups, flakeGroups, flakePaths } from "./units.ts";
import type { Evaluator } from "./walk.ts";

/** A selection that is ready to be walked. */
export interface Prepared {
  readonly kind: "prepared";
  readonly groups: readonly Group[];
  readonly missing: readonly string[];
  /** Whether it has an inventory of machines. */
  readonly hasInventory: boolean;
  /** Inputs that attributes may turn out to need. */
  readonly unfetched: LockedFlake["unfetched"];
  readonly context: Pick<GroupContext, "evaluator" | "roots" | "calls" | "args" | "findings">;
}

/** What an evaluation notes while it prepares and walks. */
export interface Notes {
  readonly warn: (message: string) => void;
  readonly peak: (bytes: number | null) => void;
  readonly remainingMs: () => number;
}

export async function prepareFlake(
  options: EvaluationOptions,
  selection: Extract<Selection, { kind: "flake" }>,
  notes: Notes,
): Promise<Prepared | Unprepared> {
  const { workspace, tree, revision, shownAs = null, memoryBytes, inputs, signal } = options;
  const { warn, remainingMs } = notes;
  const locked = await lockFlake({
    workspace,
    tree,
    directory: selection.directory,
    revision,
    shownAs,
    timeoutMs: Math.max(1, remainingMs()),
    memoryBytes,
    ...(inputs === undefined ? {} : { inputs }),
    signal,
  });
  if (locked.kind !== "locked") return locked;
  for (const warning of locked.warnings) warn(warning);
  const { flake } = locked;
  const directory = posix.join(".", selection.directory).replace(/\/$/u, "");
  const root = flakeRoot(flake.expression, directory, selection.formatterCheck === true);
  const evaluator = evaluatorOf(options, root, "none", [], notes);
  const roots = [flake.storePath, tree];
  const findings = new Findings(roots);
  const { paths, malformed } = flakePaths(selection);
  if (selection.formatterCheck === true && options.again !== true)
    paths.push([FORMATTER_CHECK_OUTPUT]);
  for (const spelled of malformed)
    warn(`warning: ${JSON.stringify(spelled)} is not an attribute path: it was passed over`);
  for (const [output = "", ...rest] of paths)
    if (rest.length === 0 && outputKind(output).by === "nothing")
      warn(`warning: in ${output} there is nothing to build: it was passed over`);
  const kinds = [
    ...new Set(
      paths
        .filter((path) => path.length === 1 && outputKind(path[0]!).by === "system")
        .map((path) => path[0]!),
    ),
  ];
  const outline = await readOutline(
    {
      evaluator,
      kinds,
      roots,
      timeoutMs: remainingMs(),
      findings: options.again === true ? null : findings,
    },
    options,
  );
  const wanting = outline.kind === "error" ? forWantOf(flake.unfetched, outline.message) : null;
  if (wanting !== null) return { kind: "error", ...wanting };
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
    hasInventory: names.has(INVENTORY_OUTPUT),
    unfetched: flake.unfetched,
    context: { evaluator, roots, calls: false, args: {}, findings },
  };
}

export function prepareFile(
  options: EvaluationOptions,
  selection: Extract<Selection, { kind: "file" }>,
  notes: Notes,
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
  const roots = [options.tree];
  return {
    kind: "prepared",
    groups: fileGroups(paths),
    missing: malformed,
    hasInventory: false,
    unfetched: [],
    // A file is evaluated as nix-build would: impure, and so with whatever network the policy allows.
    context: {
      evaluator: evaluatorOf(options, fileRoot(file), "none", ["--impure"], notes),
      roots,
      calls: true,
      args: selection.args,
      findings: new Findings(roots),
    },
  };
}

function evaluatorOf(
  options: EvaluationOptions,
  root: Root,
  network: "none" | "proxy",
  more: readonly string[],
  notes: Notes,
): Evaluator {
  return {
    workspace: options.workspace,
    root,
    arguments: [
      "--option",
      "accept-flake-config",
      "false",
      ...importsArguments(options),
      "--option",
      "restrict-eval",
      "false",
      ...more,
    ],
    network,
    memoryBytes: options.memoryBytes,
    signal: options.signal,
    onWarning: notes.warn,
    onPeak: notes.peak,
  };
}

/** Both must let it: the selection, which the default branch's configuration decides, and whoever runs it. */
export function buildsWhileEvaluating({ selection, imports }: EvaluationOptions): boolean {
  return imports !== null && selection.importFromDerivation === true;
}

function importsArguments(options: EvaluationOptions): string[] {
  const { imports } = options;
  if (imports === null || !buildsWhileEvaluating(options))
    return ["--option", "allow-import-from-derivation", "false"];
  // Nix's own limits; whatever they do not hold, the evaluation's time does: its builds end with it.
  return [
    "--option",
    "allow-import-from-derivation",
    "true",
    "--option",
    "timeout",
    String(Math.ceil(imports.buildSeconds)),
    "--option",
    "max-silent-time",
    String(Math.ceil(imports.silentSeconds)),
  ];
}
