import { attributeName } from "../../protocol/attribute.ts";
import { parseAttributePath } from "../../protocol/attribute-path.ts";
import type { InventoryMachine } from "../../protocol/impact.ts";
import type { Selection } from "../../protocol/specification.ts";
import { expected, inSet, matches } from "../config/match.ts";
import type { Configuration } from "../config/schema.ts";
import type { KropsTree } from "../krops/index.ts";
import { kropsNamed } from "./krops.ts";
import { deploying } from "./machines.ts";
import type { Path } from "./uses.ts";

/** `error`: something that the configuration names is not there. `warning`: likely not what was meant. `note`: good to know. */
export type Level = "error" | "warning" | "note";
export type Problem = { level: Level; path: Path; message: string };

/** An attribute that the evaluation found. */
export type Found = {
  selection: number;
  path: string[];
  system: string | null;
  /** Null where it could not be evaluated. */
  drv: string | null;
  error: string | null;
};

/** What was looked for and what came of it. */
export type Answers = {
  selections: readonly Selection[];
  /** For each selection: whether there is a flake or file at all, and what its evaluation ended with. */
  entries: readonly (
    | { kind: "evaluated"; missing: readonly string[] }
    | { kind: "no-file"; file: string }
    | { kind: "failed"; message: string }
  )[];
  attributes: readonly Found[];
  /** Machines of clan inventories, and why some could not be read. */
  inventory: readonly InventoryMachine[];
  unread: readonly string[];
  /** What the checkout has of krops; null where nothing is deployed by it. */
  krops: KropsTree | null;
  /** For each command of `commandsOf`, in its order: what is wrong with it, or what cannot be said; null where all is well. */
  commands: readonly ({ level: Level; message: string } | null)[];
};

/** Problems of a configuration that could be read, against what its evaluation gave. In the order of the file's keys. */
export function examine(
  configuration: Configuration,
  answers: Answers,
  commandPaths: readonly Path[],
): Problem[] {
  const commands = commandPaths.flatMap((path, index) => {
    const answer = answers.commands[index];
    return answer == null ? [] : [{ ...answer, path }];
  });
  const under = (key: string) => commands.filter(({ path }) => path[0] === key);
  return [
    ...entries(configuration, answers),
    ...sets(configuration, answers),
    ...tests(configuration, answers),
    ...under("tests"),
    ...pushes(configuration),
    ...under("push"),
    ...deploying(configuration, answers),
    ...kropsNamed(configuration, answers.krops),
  ];
}

function* entries({ evaluate = [] }: Configuration, answers: Answers): Iterable<Problem> {
  for (const [index, answer] of answers.entries.entries()) {
    const entry = evaluate[index];
    // Without `evaluate` there is no key to point at.
    const path: Path = entry === undefined ? [] : ["evaluate", index];
    const error = (message: string, ...below: Path): Problem => ({
      level: "error",
      path: entry === undefined ? [] : [...path, ...below],
      message,
    });
    if (answer.kind === "no-file") {
      yield error(
        `there is no ${answer.file}`,
        entry !== undefined && "file" in entry ? "file" : "flake",
      );
      continue;
    }
    if (answer.kind === "failed") {
      yield error(`cannot be evaluated: ${answer.message}`);
      continue;
    }
    const own = answers.attributes.filter(({ selection }) => selection === index);
    for (const name of answer.missing) {
      const at = entry?.attributes?.indexOf(name) ?? -1;
      yield error(`there is no ${name}${near(name, own)}`, ...(at < 0 ? [] : ["attributes", at]));
    }
    for (const { path: attribute, error: why } of own)
      if (why !== null) yield error(`${attributeName(attribute)}: ${why}`);
    for (const [at, name] of (entry?.attributes ?? []).entries()) {
      if (answer.missing.includes(name)) continue;
      const wanted = parseAttributePath(name);
      const some = own.some(({ path: found }) => wanted?.every((part, n) => found[n] === part));
      if (!some)
        yield {
          level: "warning",
          path: [...path, "attributes", at],
          message: `in ${name} nothing was found`,
        };
    }
    if (entry === undefined || !("flake" in entry)) continue;
    for (const [at, system] of (entry.systems ?? []).entries())
      if (!own.some((one) => one.system === system))
        yield {
          level: "warning",
          path: [...path, "systems", at],
          message: `there is nothing for ${system}`,
        };
  }
}

/** Each pattern names something, and each attribute is built on some occasion. */
function* sets(
  { sets: all = {} }: Configuration,
  { attributes, selections }: Answers,
): Iterable<Problem> {
  for (const set of ["push", "pull_request", "merge_queue"] as const) {
    const patterns = all[set] ?? [];
    const must = new Set(expected(patterns, selections));
    for (const [at, pattern] of patterns.entries()) {
      if (attributes.some(({ path }) => matches(pattern, path))) continue;
      yield {
        level: must.has(pattern) ? "error" : "note",
        path: ["sets", set, at],
        message: `nothing is called ${pattern}`,
      };
    }
  }
  const { push = ["*"], pull_request = ["*"], merge_queue = ["*"] } = all;
  const nowhere = attributes.filter(
    ({ path }) => ![push, pull_request, merge_queue].some((patterns) => inSet(patterns, path)),
  );
  if (nowhere.length > 0)
    yield {
      level: "warning",
      path: ["sets"],
      message: `in no set, and so never built: ${some(nowhere)}`,
    };
  // What only a push builds is built when it is too late.
  const late = attributes.filter(
    ({ path }) => inSet(push, path) && !inSet(pull_request, path) && !inSet(merge_queue, path),
  );
  if (late.length > 0)
    yield {
      level: "note",
      path: ["sets"],
      message: `built by a push only, after the merge: ${some(late)}`,
    };
}

function* tests({ tests: all = {} }: Configuration, { attributes }: Answers): Iterable<Problem> {
  for (const [name, test] of Object.entries(all)) {
    if ("vm" in test && !attributes.some(({ path }) => attributeName(path) === spelt(test.vm)))
      yield {
        level: "error",
        path: ["tests", name, "vm"],
        message: `${test.vm} is not among the attributes that are evaluated${near(test.vm, attributes)}`,
      };
    if (!("run" in test)) continue;
    for (const [at, after] of (test.after ?? []).entries()) {
      const wanted = parseAttributePath(after);
      const there = attributes.some(({ path }) => wanted?.every((part, n) => path[n] === part));
      if (!there)
        yield {
          // What a test waits for may be told otherwise than by an attribute, once tests are run.
          level: "warning",
          path: ["tests", name, "after", at],
          message: `${after} is not among the attributes that are evaluated${near(after, attributes)}`,
        };
    }
  }
}

function* pushes({ push = {} }: Configuration): Iterable<Problem> {
  for (const [name, { needs = [] }] of Object.entries(push)) {
    for (const [at, needed] of needs.entries())
      if (!Object.hasOwn(push, needed))
        yield {
          level: "error",
          path: ["push", name, "needs", at],
          message: `there is no push ${needed}`,
        };
    if (needsItself(name, push))
      yield { level: "error", path: ["push", name, "needs"], message: `${name} needs itself` };
  }
}

function needsItself(name: string, push: Record<string, { needs?: string[] }>): boolean {
  const open = [...(push[name]?.needs ?? [])];
  const seen = new Set<string>();
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (one === name) return true;
    if (seen.has(one) || !Object.hasOwn(push, one)) continue;
    seen.add(one);
    open.push(...(push[one]?.needs ?? []));
  }
  return false;
}

function spelt(name: string): string {
  const path = parseAttributePath(name);
  return path === null ? name : attributeName(path);
}

/** What was likely meant: the same last component elsewhere. */
function near(name: string, attributes: readonly Found[]): string {
  const last = parseAttributePath(name)?.at(-1);
  const found = attributes.find(({ path }) => path.at(-1) === last);
  return found === undefined ? "" : `; there is ${attributeName(found.path)}`;
}

function some(attributes: readonly Found[]): string {
  // Two systems or entries are evaluated side by side: the order in which they come says nothing.
  const names = attributes
    .map(({ path }) => attributeName(path))
    .toSorted()
    .slice(0, 5);
  const more = attributes.length - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
