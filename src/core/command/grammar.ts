import { code } from "../report/escape.ts";
import type { Command } from "./command.ts";
import type { ArgumentDeclaration, ArgumentKind, Declaration } from "./declaration.ts";
import { nearest } from "./near.ts";
import { usageOf } from "./registry.ts";

export const FULL_SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u;
/** Arguments and flags of one command. */
const MOST_ARGUMENTS = 64;
/** Characters of one line. */
const LONGEST_LINE = 2_000;

export type Parsed = { ok: true; command: Command } | { ok: false; problem: string };

/** Reads what stands behind the command's name. `rest` is one line without hidden characters. */
export function parseArguments(declaration: Declaration, rest: string): Parsed {
  const fail = (problem: string): Parsed => ({
    ok: false,
    problem: `${problem} Usage: ${code(usageOf(declaration))}, for example ${code(declaration.example)}.`,
  });
  if (rest.length > LONGEST_LINE)
    return fail(`The line is longer than ${LONGEST_LINE} characters.`);
  const cursor = new Cursor(rest);
  const values: string[] = [];
  const flags = new Set<string>();
  for (;;) {
    if (cursor.done()) break;
    const slot = slotOf(declaration, values.length);
    if (slot?.kind === "text" && !cursor.atDash()) {
      values.push(cursor.remainder());
      break;
    }
    const token = cursor.token();
    if (token === null) return fail("A quotation mark is not closed.");
    if (token.startsWith("-")) {
      const flag = declaration.flags.find(({ name }) => token === `--${name}`);
      if (flag === undefined) return fail(unknownFlag(declaration, token));
      flags.add(flag.name);
    } else values.push(token);
    if (values.length + flags.size > MOST_ARGUMENTS)
      return fail(`It takes ${MOST_ARGUMENTS} arguments at most.`);
  }
  const problem = problemOf(declaration, values);
  if (problem !== null) return fail(problem);
  const declared = declaration.flags.map(({ name }) => name).filter((name) => flags.has(name));
  return {
    ok: true,
    command: { name: declaration.name, arguments: values, flags: declared },
  };
}

/** What a command's arguments are about, and the full SHA that it names. */
export function argumentsOf(
  declaration: Declaration,
  values: readonly string[],
): { values: string[]; sha: string | null } {
  const last = values.at(-1);
  if (declaration.binding === "none" || last === undefined || !FULL_SHA.test(last))
    return { values: [...values], sha: null };
  return { values: values.slice(0, -1), sha: last };
}

/** Null when the arguments are what the declaration wants. */
function problemOf(declaration: Declaration, given: readonly string[]): string | null {
  const { values, sha } = argumentsOf(declaration, given);
  if (declaration.binding === "named" && sha === null) {
    const short = given.some((value) => /^[0-9a-f]{4,}$/iu.test(value));
    return short
      ? "It needs the full SHA of the commit, in lower case: a shorter one could mean another commit."
      : "It needs the full SHA of the commit.";
  }
  const least = declaration.arguments.filter(
    ({ occurs }) => occurs === "once" || occurs === "some",
  );
  const missing = least[values.length];
  if (missing !== undefined) return `${code(`<${missing.name}>`)} is missing.`;
  for (const [index, value] of values.entries()) {
    const slot = slotOf(declaration, index);
    if (slot === null) return `${code(value)} is one argument too many.`;
    if (!KINDS[slot.kind].is(value)) return `${code(value)} is not ${KINDS[slot.kind].called}.`;
  }
  return null;
}

/** The argument at a position; lists go on. Null beyond the last. */
function slotOf(declaration: Declaration, index: number): ArgumentDeclaration | null {
  const slot = declaration.arguments[index];
  if (slot !== undefined) return slot;
  const last = declaration.arguments.at(-1);
  return last?.occurs === "any" || last?.occurs === "some" ? last : null;
}

function unknownFlag(declaration: Declaration, token: string): string {
  const names = declaration.flags.map(({ name }) => name);
  const meant = nearest(token.replace(/^-+/u, ""), names);
  const hint = meant === null ? "" : ` Did you mean ${code(`--${meant}`)}?`;
  return names.length === 0
    ? `${code(token)} begins with a dash, and the command takes no flags.`
    : `There is no flag ${code(token)}.${hint}`;
}

const matching = (shape: RegExp) => (value: string) => shape.test(value);

/** Shapes only: what a name stands for is looked for among what was enumerated. None begins with a dash. */
const KINDS: Record<ArgumentKind, { is: (value: string) => boolean; called: string }> = {
  attribute: {
    is: matching(/^[^-/].{0,1023}$/u),
    called: "an attribute path, such as `checks.x86_64-linux.*`",
  },
  name: { is: matching(/^[A-Za-z0-9*?][A-Za-z0-9._*?-]{0,62}$/u), called: "a name" },
  target: {
    is: matching(
      /^(?:tag:[A-Za-z0-9_.-]+(?:,[A-Za-z0-9_.-]+)*|role:[A-Za-z0-9_./-]+|[A-Za-z0-9_*?][A-Za-z0-9_.*?-]{0,252})$/u,
    ),
    called: "a machine's name, a glob, `tag:a,b` or `role:x`",
  },
  machine: {
    is: matching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/u),
    called: "a machine's name",
  },
  generation: {
    is: matching(/^(?:[1-9][0-9]{0,8}|last-good)$/u),
    called: "the number of a generation, or `last-good`",
  },
  version: { is: matching(/^[A-Za-z0-9][A-Za-z0-9._+~-]{0,126}$/u), called: "a version" },
  "run-or-job": {
    is: matching(/^(?:[1-9][0-9]{0,8}|evaluate|build)$/u),
    called: "the number of a run, `evaluate` or `build`",
  },
  what: { is: matching(/^[^-/].{0,1023}$/u), called: "`failed`, `all` or an attribute" },
  text: { is: (value) => value !== "", called: "a text" },
};

/** Words between spaces and tabs. A quotation mark keeps what it encloses together, as in Nix's attribute paths. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replace(/[\t ]+$/u, "");
    this.#skip();
  }

  done(): boolean {
    return this.#at >= this.#text.length;
  }

  atDash(): boolean {
    return this.#text.charAt(this.#at) === "-";
  }

  /** Null where a quotation mark is not closed. */
  token(): string | null {
    const shape = /(?:[^\t "]|"(?:[^"\\]|\\.)*")+/uy;
    shape.lastIndex = this.#at;
    const found = shape.exec(this.#text)?.[0] ?? null;
    if (found === null) return null;
    this.#at += found.length;
    this.#skip();
    return found;
  }

  remainder(): string {
    const rest = this.#text.slice(this.#at).replace(/[\t ]+/gu, " ");
    this.#at = this.#text.length;
    return rest;
  }

  #skip(): void {
    while (/^[\t ]$/u.test(this.#text.charAt(this.#at))) this.#at += 1;
  }
}
