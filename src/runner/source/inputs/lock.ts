import { posix } from "node:path";
import * as z from "zod";
import type { Position } from "../../../protocol/verdict.ts";
import { lineOf } from "./place.ts";

/** What fetchers are told of an input; each kind has its own attributes. */
export type Locked = Readonly<Record<string, string | number | boolean>>;

const Attributes = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .and(z.object({ type: z.string() }));
const Node = z
  .object({
    inputs: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
    locked: Attributes.optional(),
    flake: z.boolean().optional(),
    /** Inputs on the way to the flake that a relative path starts from (Nix 2.26 and later). */
    parent: z.array(z.string()).optional(),
  })
  .loose();

export const Graph = z.object({ root: z.string(), nodes: z.record(z.string(), Node) });
export type Graph = z.output<typeof Graph>;

/** A lock file that Nix could go by, with its text for places in it. */
export interface LockFile {
  readonly file: string;
  readonly text: string;
  readonly graph: Graph;
}

export interface LockProblem {
  readonly message: string;
  readonly position: Position;
}

export type LockRead =
  | { readonly kind: "lock"; readonly lock: LockFile }
  | { readonly kind: "problem"; readonly problem: LockProblem };

/** Nix writes 7, and reads 5 to 7; a newer number is a format that no known Nix reads. */
const VERSIONS = { oldest: 5, newest: 7 } as const;

/** Reads a lock file and refuses what cannot be right, at its line. `file` is relative to the tree. */
export function readLock(text: string, file: string): LockRead {
  const refuse = (message: string, path: readonly string[] = []): LockRead => ({
    kind: "problem",
    problem: { message: `${file}: ${message}`, position: at(file, text, path) },
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const offset = Number(/position (\d+)/u.exec(why)?.[1] ?? text.length);
    const line = text.slice(0, offset).split("\n").length;
    return {
      kind: "problem",
      problem: {
        message: `${file}: is not JSON: ${why}. A merge may have left it half done: lock again with \`nix flake lock\`.`,
        position: { file, line, column: null },
      },
    };
  }
  const version = z.object({ version: z.number() }).safeParse(json);
  if (!version.success) return refuse("is not a lock file: it has no version");
  if (version.data.version > VERSIONS.newest)
    return refuse(
      `has version ${version.data.version}; this runner reads up to ${VERSIONS.newest}. It was written by a newer Nix: lock again with a Nix that writes version ${VERSIONS.newest}, or give the runner the newer one.`,
      ["version"],
    );
  if (version.data.version < VERSIONS.oldest)
    return refuse(
      `has version ${version.data.version}, which Nix does not read any more: lock again with \`nix flake lock\``,
      ["version"],
    );
  const graph = Graph.safeParse(json);
  if (!graph.success) {
    const [issue] = graph.error.issues;
    const path = (issue?.path ?? []).map(String);
    return refuse(`${path.join(".")}: ${issue?.message ?? "is not a lock file"}`, path);
  }
  const lock: LockFile = { file, text, graph: graph.data };
  const problem = brokenEdge(lock) ?? null;
  return problem === null ? { kind: "lock", lock } : { kind: "problem", problem };
}

/** The place of a node, or of something in it. */
export function nodePosition(lock: LockFile, ...path: readonly string[]): Position {
  return at(lock.file, lock.text, ["nodes", ...path]);
}

function at(file: string, text: string, path: readonly string[]): Position {
  return { file, line: lineOf(text, path), column: null };
}

/** An input that names no node, or a `follows` that leads nowhere or round in a circle. */
function brokenEdge(lock: LockFile): LockProblem | undefined {
  const { graph } = lock;
  if (graph.nodes[graph.root] === undefined)
    return {
      message: `${lock.file}: its root ${JSON.stringify(graph.root)} is not among its nodes`,
      position: at(lock.file, lock.text, ["root"]),
    };
  const known: Known = new Map();
  for (const [name, { inputs = {}, locked }] of Object.entries(graph.nodes)) {
    for (const [input, target] of Object.entries(inputs)) {
      const found = resolve(graph, target, known, 0);
      if (typeof found === "string") continue;
      return {
        message: `${lock.file}: input ${JSON.stringify(input)} of ${JSON.stringify(name)} ${found.why}. Lock again with \`nix flake lock\`.`,
        position: nodePosition(lock, name, "inputs", input),
      };
    }
    if (name !== graph.root && locked === undefined)
      return {
        message: `${lock.file}: ${JSON.stringify(name)} is not locked: it has no "locked". Lock again with \`nix flake lock\`.`,
        position: nodePosition(lock, name),
      };
  }
  return undefined;
}

/** What paths from the root lead to; null while that is being found out. */
type Known = Map<string, string | { why: string } | null>;

/** `follows` that lead to each other: more in a row are nobody's flake. */
const FOLLOWS = 64;

/** The node behind an input: its name, or that of what a path from the root leads to. */
function resolve(
  graph: Graph,
  target: string | readonly string[],
  known: Known,
  depth: number,
): string | { why: string } {
  if (typeof target === "string")
    return graph.nodes[target] === undefined
      ? { why: `is the node ${JSON.stringify(target)}, which is not there` }
      : target;
  const spelled = JSON.stringify(target.join("/"));
  const before = known.get(spelled);
  if (before === null || depth > FOLLOWS)
    return { why: `follows ${spelled}, which follows itself` };
  if (before !== undefined) return before;
  known.set(spelled, null);
  const found = walk(graph, target, known, depth);
  const result =
    typeof found === "string" || "why" in found
      ? found
      : { why: `follows ${spelled}, and there is no input ${JSON.stringify(found.absent)}` };
  known.set(spelled, result);
  return result;
}

function walk(
  graph: Graph,
  path: readonly string[],
  known: Known,
  depth: number,
): string | { why: string } | { absent: string } {
  let node = graph.root;
  for (const step of path) {
    const next = graph.nodes[node]?.inputs?.[step];
    if (next === undefined) return { absent: step };
    const found = resolve(graph, next, known, depth + 1);
    if (typeof found !== "string") return found;
    node = found;
  }
  return node;
}

/** An input of the graph. */
export interface LockedInput {
  readonly name: string;
  readonly locked: Locked;
  /** Whether a relative path starts from another input than the flake itself. */
  readonly inside: boolean;
}

/** Everything that `from` (the root unless given) needs, each once. */
export function lockedInputs(graph: Graph, from = graph.root): LockedInput[] {
  const seen = new Set([from]);
  const known: Known = new Map();
  const found: LockedInput[] = [];
  // The set grows while it is walked.
  for (const name of seen) {
    const node = graph.nodes[name];
    if (name !== from && node?.locked !== undefined)
      found.push({ name, locked: node.locked, inside: (node.parent ?? []).length > 0 });
    for (const target of Object.values(node?.inputs ?? {})) {
      const next = resolve(graph, target, known, 0);
      if (typeof next === "string") seen.add(next);
    }
  }
  return found;
}

/** Kinds of inputs that Nix knows; which of their attributes it knows depends on its version, and it says so itself. */
const KNOWN = new Set([
  "path",
  "git",
  "github",
  "gitlab",
  "sourcehut",
  "tarball",
  "file",
  "hg",
  "mercurial",
]);

/** An input that may not be fetched here at all, and why; null when it may. `directory` is the flake's, in the tree. */
export function forbidden({ locked, inside }: LockedInput, directory: string): string | null {
  const { type, url, path } = locked;
  // Nix 2.26 and 2.34 die of it.
  const own = Object.keys(locked).find((name) => name.startsWith("__"));
  if (own !== undefined)
    return `is locked with ${JSON.stringify(own)}, which is Nix's own mark and stands in no lock file. Lock again with \`nix flake lock\`.`;
  if (type === "indirect")
    return "is a name of a registry and not locked: runners have no registry. Give it an address in flake.nix and lock again.";
  if (typeof type !== "string" || !KNOWN.has(type))
    return `is of the type ${JSON.stringify(type)}, which no known Nix fetches`;
  if (type === "path") {
    if (typeof path !== "string") return "has no path";
    const there = posix.join(directory, path);
    if (path.startsWith("/"))
      return `is the local path ${JSON.stringify(path)}: it is not in the repository, and a runner gives out none of its own files. Use a relative path, or the address of a repository.`;
    if (!inside && (there === ".." || there.startsWith("../")))
      return `is the local path ${JSON.stringify(path)}, which leads out of the repository`;
    return null;
  }
  if (typeof url !== "string") return null;
  if (!/^(?:https?|ssh|git):\/\//iu.test(url) && !/^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:/u.test(url))
    return /^(?:git\+)?file:|^[./]/iu.test(url)
      ? `is the local address ${JSON.stringify(url)}: a runner gives out none of its own files. Use the address of a repository.`
      : `has the address ${JSON.stringify(url)}: https, ssh, http and git are what is fetched from`;
  return null;
}
