import {
  LineCounter,
  parseDocument,
  isMap,
  isScalar,
  type Document,
  type Node,
  type Pair,
} from "yaml";
import type * as z from "zod";
import { Configuration, CONFIGURATION_FILE } from "./schema.ts";

/** What is wrong with the configuration, where: lines and columns count from 1. */
export type ConfigurationError = { file: string; line: number; column: number; message: string };
export type ConfigurationRead =
  | { ok: true; configuration: Configuration }
  | { ok: false; errors: ConfigurationError[] };

/** Longer is refused unread (characters): a configuration is written by hand. */
const LONGEST = 256 * 1_024;
/** No more than this many are reported; GitHub takes 50 annotations in a request. */
const MOST_ERRORS = 50;
/** Expansions of YAML aliases: enough for hand-written sharing, too few to blow up. */
const MOST_ALIASES = 50;

/** Reads the text of `.github/snowcat.yml`. Null (no file) and an empty file are the configuration without keys. */
export function readConfiguration(
  text: string | null,
  file = CONFIGURATION_FILE,
): ConfigurationRead {
  if (text === null) return { ok: true, configuration: {} };
  const refuse = (message: string): ConfigurationRead => ({
    ok: false,
    errors: [{ file, line: 1, column: 1, message }],
  });
  if (text.length > LONGEST) return refuse(`the file is longer than ${LONGEST} characters`);

  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
  });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    return {
      ok: false,
      errors: document.errors
        .slice(0, MOST_ERRORS)
        .map((error) => ({ ...place(error.pos[0]), message: error.message })),
    };
  }
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {};
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  const read = Configuration.safeParse(plain);
  if (read.success) return { ok: true, configuration: read.data };
  return {
    ok: false,
    errors: read.error.issues
      .flatMap(spread)
      .slice(0, MOST_ERRORS)
      .map(({ path, message }) => ({
        ...place(offsetOf(document, path)),
        message: path.length === 0 ? message : `${path.join(".")}: ${message}`,
      })),
  };
}

type Problem = { path: PropertyKey[]; message: string };

/** One problem for each unknown key, at the key; of a union's arms, the one that came furthest. */
function spread(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: "unknown key" }));
  }
  if (issue.code === "invalid_union") {
    const arms = issue.errors.map((arm) => arm.flatMap(spread));
    const best = arms.toSorted((a, b) => missing(a) - missing(b) || a.length - b.length)[0];
    if (best !== undefined && best.length > 0) {
      return best.map(({ path, message }) => ({ path: [...issue.path, ...path], message }));
    }
  }
  return [{ path: issue.path, message: issue.message }];
}

/** How many problems say that the value is another arm's: keys that this arm does not know, or lacks. */
function missing(problems: Problem[]): number {
  return problems.filter(
    ({ message }) => message === "unknown key" || message.includes("received undefined"),
  ).length;
}

/** Where the value of a path (or its key, or the nearest thing around it) begins in the text. */
function offsetOf(document: Document, path: PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = (document.contents as Node | null)?.range?.[0] ?? 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item: Pair) => isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else {
      const items = (node as { items?: unknown[] } | null)?.items;
      const item = typeof part === "number" ? items?.[part] : undefined;
      if (item === undefined) return offset;
      offset = (item as Node).range?.[0] ?? offset;
      node = item;
    }
  }
  return offset;
}
