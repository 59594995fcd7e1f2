import { code } from "../report/escape.ts";
import { type Command, type CommandLine, type CommandName, COMMANDS } from "./command.ts";
import { parseArguments } from "./grammar.ts";
import { nearest } from "./near.ts";
import { declarationOf } from "./registry.ts";
import { type VisibleLine, visibleLines } from "./visible.ts";

/** Commands of one comment. Above it nothing runs: such a comment is a mistake or an attack. */
export const MOST_COMMANDS = 10;

/** A slash, a word, and then nothing or a space: `/etc/passwd` is not, `/usr` is (and near to nothing). */
const LOOKS_LIKE = /^\/([\p{L}\p{N}_-]{1,40})([.,:;!?]*)(?:[\t ]+(.*))?$/u;
/** What cannot be seen or looks like a space: controls, direction marks, zero widths, fillers, other spaces. */
const HIDDEN = /[\p{C}\p{Z}\p{DI}]/gu;

/**
 * The commands in the text of a comment, in their order, and what is wrong with lines that were meant as one. Lines in
 * fenced code, quotes and HTML comments are none. Never throws, whatever the text.
 */
export function readCommands(body: string): { lines: CommandLine[]; tooMany: boolean } {
  const lines: CommandLine[] = [];
  for (const visible of visibleLines(body)) {
    const line = readLine(visible);
    if (line !== null) lines.push(line);
  }
  const [, ...others] = lines;
  if (others.length < MOST_COMMANDS) return { lines, tooMany: false };
  const problem = `The comment has ${lines.length} commands; ${MOST_COMMANDS} is the most, so none of them was done.`;
  return {
    lines: [{ kind: "problem", line: lines[0]?.line ?? 1, problem, meant: null }],
    tooMany: true,
  };
}

/** The line that reads as this command. */
export function printCommand({ name, arguments: values, flags }: Command): string {
  return [`/${name}`, ...flags.map((flag) => `--${flag}`), ...values].join(" ");
}

function readLine({ number, text, below }: VisibleLine): CommandLine | null {
  if (below === "comment") return null;
  const hidden = hiddenIn(text);
  const found = LOOKS_LIKE.exec(hidden === null ? text : text.replace(HIDDEN, seen).trimStart());
  if (found === null) return null;
  const [, word = "", marks = "", rest = ""] = found;
  const name = COMMANDS.find((known) => known === word) ?? null;
  const meant = name ?? nearest(word, COMMANDS);
  if (meant === null) return null;
  const problem = (why: string, near: CommandName | null = null): CommandLine => ({
    kind: "problem",
    line: number,
    problem: why,
    meant: near,
  });
  if (hidden !== null) {
    return problem(
      `The line contains ${hidden}, which cannot be seen or tells where text goes: what it says may not be what it does. Type it anew.`,
    );
  }
  if (name === null || marks !== "") {
    return problem(
      `There is no command ${code(`/${word}${marks}`, 60)}. Did you mean ${code(`/${meant}`)}?`,
      meant,
    );
  }
  if (below !== null) return problem(`${code(`/${name}`)} ${BELOW[below]}`);
  const parsed = parseArguments(declarationOf(name), rest);
  return parsed.ok
    ? { kind: "command", line: number, command: parsed.command }
    : problem(`${code(`/${name}`)}: ${parsed.problem}`);
}

const BELOW = {
  quote:
    "stands right below a quote, where GitHub shows it as part of the quote. Put an empty line between them.",
  markup:
    "stands below code, HTML or a link that is not closed on its own line, where it may not be seen. Put an empty line before the command.",
  lost: "stands below code or HTML in a list or in other HTML, where it may not be seen. Give it in a comment of its own.",
} as const;

/** The first character that may not be in a command, by its number. */
function hiddenIn(text: string): string | null {
  for (const [character] of text.matchAll(HIDDEN)) {
    if (character !== " " && character !== "\t")
      return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  }
  return null;
}

/** The line as it looks: what separates words in it still does. */
function seen(character: string): string {
  return character === "\t" || /\p{Zs}/u.test(character) ? " " : "";
}
