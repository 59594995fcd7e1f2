import type { Limits, Selection } from "../../protocol/specification.ts";
import { type Answers, type Need, needOf } from "../../core/doctor/index.ts";
import { evaluate } from "../nix/evaluate/index.ts";
import type { Workspace } from "../nix/launch.ts";
import type { NixFacts } from "../nix/version.ts";
import { executable, present, resolvable } from "./files.ts";

interface NeedsOptions {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  /** The tree as the job's programs see it. */
  readonly tree: string;
  readonly systems: readonly string[];
  readonly limits: Limits;
  readonly uses: readonly { readonly argv: readonly string[] }[];
  readonly signal: AbortSignal;
  readonly now: () => number;
}

type Answer = Answers["commands"][number];

/** What is wrong with each command; what many stand on is asked once. */
export async function needsMet(options: NeedsOptions): Promise<Answer[]> {
  const known = new Map<string, Answer>();
  const answers: Answer[] = [];
  for (const { argv } of options.uses) {
    const need = needOf(argv, options.systems);
    const key = JSON.stringify(need);
    if (!known.has(key)) known.set(key, await answer(options, need));
    answers.push(known.get(key) ?? null);
  }
  return answers;
}

async function answer(options: NeedsOptions, need: Need): Promise<Answer> {
  const { workspace, tree } = options;
  const error = (message: string): Answer => ({ level: "error", message });
  switch (need.kind) {
    case "problem":
      return error(need.why);
    case "elsewhere":
      return {
        level: "note",
        message: `${need.reference} is not of this repository: nothing is known of it`,
      };
    case "program":
      return (await resolvable(workspace, need.name))
        ? null
        : { level: "warning", message: `a job on this machine finds no program ${need.name}` };
    case "path": {
      const file = `${tree}/${need.path}`;
      if (!(await present(workspace, tree, [need.path])).has(need.path))
        return error(`there is no ${need.path}`);
      return (await executable(workspace, file)) ? null : error(`${need.path} is not executable`);
    }
    case "file": {
      const { file, attribute, args } = need;
      const missing = await lookup(options, { kind: "file", file, attributes: [attribute], args });
      if (typeof missing === "string") return error(`${file}: ${missing}`);
      return missing.length === 0 ? null : error(`${file} has no ${attribute}`);
    }
    case "flake": {
      const { directory, name, attributes } = need;
      const missing = await lookup(options, {
        kind: "flake",
        directory,
        attributes,
        systems: null,
      });
      if (typeof missing === "string") return error(`the flake in ${directory}: ${missing}`);
      return missing.length < attributes.length
        ? null
        : error(`the flake in ${directory} has no ${name} to run`);
    }
  }
}

/** Which of a selection's attributes are not there, or why nobody can tell. */
async function lookup(
  { workspace, facts, tree, limits, signal, now }: NeedsOptions,
  selection: Selection,
): Promise<readonly string[] | string> {
  const result = await evaluate({
    workspace,
    version: facts.version,
    tree,
    revision: null,
    selection,
    index: 0,
    seconds: limits.evaluationSeconds,
    memoryBytes: limits.evaluationBytes,
    imports: null,
    again: true,
    signal,
    now,
    onAttribute: () => {},
  });
  signal.throwIfAborted();
  if (result.kind === "evaluated") return result.missing;
  return result.kind === "cancelled" ? "it was cancelled" : result.message;
}
