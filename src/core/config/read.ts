import type * as z from "zod";
import { ADMINS_ONLY } from "./commands.ts";
import { Configuration, CONFIGURATION_FILE } from "./schema.ts";
import { parseYaml } from "./yaml.ts";

/** What is wrong with the configuration, where: lines and columns count from 1. */
export type ConfigurationError = { file: string; line: number; column: number; message: string };
export type ConfigurationRead =
  | { ok: true; configuration: Configuration }
  /** `rest` are the keys that are right by themselves, with the strictest policy where that is not among them. */
  | { ok: false; errors: ConfigurationError[]; rest: Configuration };

/** Longer is refused unread (characters): a configuration is written by hand. */
const LONGEST = 64 * 1_024;
/** No more than this many are reported; GitHub takes 50 annotations in a request. */
const MOST_ERRORS = 50;
/** What a message keeps of a key that somebody wrote (characters). */
const LONGEST_MESSAGE = 500;

/**
 * While nobody can say what the policy is, nobody is trusted but the default branch and the merge queue, and only admins
 * give commands.
 */
export const UNREADABLE: Configuration = {
  policy: { trusted: "default-branch-and-merge-queue", commands: ADMINS_ONLY },
};

/**
 * Reads the text of `.github/snowcat.yml`. Null (no file) and an empty file are the configuration without keys. Never
 * throws, whatever the text is.
 */
export function readConfiguration(
  text: string | null,
  file = CONFIGURATION_FILE,
): ConfigurationRead {
  if (text === null) return { ok: true, configuration: {} };
  const refuse = (
    problems: { line: number; column: number; message: string }[],
    rest = UNREADABLE,
  ): ConfigurationRead => ({
    ok: false,
    errors: problems.slice(0, MOST_ERRORS).map(({ line, column, message }) => ({
      file,
      line,
      column,
      message: message.slice(0, LONGEST_MESSAGE),
    })),
    rest,
  });
  if (text.length > LONGEST)
    return refuse([
      { line: 1, column: 1, message: `the file is longer than ${LONGEST} characters` },
    ]);
  const parsed = parseYaml(text);
  if (!parsed.ok) return refuse(parsed.problems);
  const plain = parsed.value ?? {};
  const read = Configuration.safeParse(plain);
  if (read.success) return { ok: true, configuration: read.data };
  return refuse(
    read.error.issues
      .flatMap(spread)
      .slice(0, MOST_ERRORS)
      .map(({ path, message }) => ({
        ...parsed.placeOf(path),
        message: path.length === 0 ? message : `${path.join(".")}: ${message}`,
      })),
    restOf(plain),
  );
}

/** The keys of a faulty configuration that are right by themselves. */
function restOf(plain: unknown): Configuration {
  if (typeof plain !== "object" || plain === null || Array.isArray(plain)) return UNREADABLE;
  const right = Object.entries(plain).filter(
    ([key, value]) =>
      Object.hasOwn(Configuration.shape, key) &&
      Configuration.shape[key as keyof Configuration].safeParse(value).success,
  );
  const faulty = Object.hasOwn(plain, "policy") && !right.some(([key]) => key === "policy");
  return { ...Configuration.parse(Object.fromEntries(right)), ...(faulty ? UNREADABLE : {}) };
}

type Problem = { path: PropertyKey[]; message: string };

/** One problem for each unknown key, at the key; of a union's arms, the one that came furthest. */
function spread(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: "unknown key" }));
  }
  if (issue.code === "invalid_key") {
    const [first] = issue.issues;
    return [{ path: issue.path, message: first?.message ?? issue.message }];
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
