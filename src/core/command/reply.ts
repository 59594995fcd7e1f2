import { bounded } from "../report/bounded.ts";
import { code, exact } from "../report/escape.ts";
import type { CommandPolicy, Facts, Judgement } from "./command.ts";
import type { Declaration } from "./declaration.ts";
import { requiredFor } from "./permission.ts";
import { declarations, usageOf } from "./registry.ts";

/** A command, or a line that is none, as the sticky comment shows it. */
export type CommandEntry = {
  /** As printed; of a line that is no command, what is wrong with it, as `CommandLine` words it. */
  text: string;
  by: { login: string };
  /** Id of the comment; null for a button. */
  comment: number | null;
  state: "asked" | "acting" | "done";
  /** `text` is Markdown whose quotations are neutralised. */
  outcome: { kind: "done" | "refused" | "asked-for-sha" | "problem"; text: string } | null;
};

/** Newest commands that the sticky comment shows. */
const SHOWN = 20;
/** Bytes of the section: GitHub takes 65,535 characters of a comment, and other sections need room. */
const SECTION_BYTES = 24_000;

/** Section of the sticky comment. `entries` come oldest first and are shown newest first. */
export function renderCommands(entries: readonly CommandEntry[]): string {
  if (entries.length === 0) return "";
  const newest = entries.toReversed().slice(0, SHOWN);
  const list = bounded(
    newest.map(item),
    (left) => `- … and ${left} earlier.\n`,
    entries.length,
    SECTION_BYTES,
  );
  return `### Commands\n\n${list}`;
}

function item({ text, by, comment, state, outcome }: CommandEntry): string {
  const problem = outcome?.kind === "problem";
  const shown = problem ? "A line" : code(text);
  const linked = comment === null ? shown : `[${shown}](#issuecomment-${comment})`;
  const head = `- ${markOf(state, outcome)} ${linked} by ${code(by.login, 60)}`;
  const what = problem && outcome.text === "" ? text : (outcome?.text ?? "");
  if (what === "") return `${head}\n`;
  if (!what.includes("\n")) return `${head}: ${what}\n`;
  const inner = what.trimEnd().replace(/^(?=.)/gmu, "  ");
  return `${head}\n\n  <details><summary>Answer</summary>\n\n${inner}\n\n  </details>\n\n`;
}

function markOf(state: CommandEntry["state"], outcome: CommandEntry["outcome"]): string {
  switch (outcome?.kind) {
    case undefined:
      return state === "done" ? "✅" : "⏳";
    case "done":
      return "✅";
    case "refused":
      return "⛔";
    case "asked-for-sha":
      return "✋";
    case "problem":
      return "❔";
  }
}

/** What a new comment says when a command must be given again with its commit. The command is a block to copy. */
export function renderAskForSha(ask: Extract<Judgement, { kind: "ask-for-sha" }>): string {
  return `${ask.why}\n\nThe same for the commit that is the head now:\n\n${exact(ask.command)}\n`;
}

/** Answer to `/help`: every command and who may give it here. */
export function renderHelp(policy: CommandPolicy): string {
  const rows = declarations().map(
    (declaration) =>
      `| ${code(usageOf(declaration))} | ${declaration.does}${declaration.missing === null ? "" : ` Not there yet: ${declaration.missing}.`} | ${whoMay(declaration, policy)} |\n`,
  );
  return `| command | what it does | for whom |\n|---|---|---|\n${rows.join("")}\nA command is a line of its own in a new comment and begins the line.\n`;
}

export function whoMay(declaration: Declaration, policy: CommandPolicy): string {
  const { role, teams } = requiredFor(declaration, policy);
  const who = teams.map((team) => `team ${code(team, 100)}`);
  if (role !== null) who.unshift(code(role));
  return who.length === 0 ? "nobody" : who.join(" or ");
}

/** Answer to `/status`. */
export function renderStatus({
  pull,
  runs,
  approvals,
  locks,
  machines = [],
}: Pick<Facts, "pull" | "runs" | "approvals" | "locks" | "machines">): string {
  if (pull === null) return "";
  const parts = [`Head ${code(pull.head)}${pull.fork ? ", of a fork" : ""}, ${pull.state}.`];
  if (pull.approved === pull.head)
    parts.push(`${code(pull.approvedBy ?? "Somebody", 60)} approved it to run.`);
  const valid = approvals.filter(({ sha }) => sha === pull.head);
  if (valid.length > 0)
    parts.push(`Approved for a deploy by ${valid.map(({ by }) => code(by.login, 60)).join(", ")}.`);
  const rows = runs.map(
    ({ n, reason, state, conclusion }) =>
      `| ${n} | ${reason.replaceAll("_", " ")} | ${state} | ${conclusion === null ? "" : code(conclusion, 40)} |\n`,
  );
  const table =
    rows.length === 0
      ? "No run of this head yet.\n"
      : bounded(
          ["| run | for | state | conclusion |\n|---|---|---|---|\n", ...rows],
          (left) => `\n… and ${left} more.\n`,
          rows.length + 1,
          6_000,
        );
  const locked = locks.map(
    (lock) =>
      `- ${code(lock.machine)} is ${lock.pull === null ? "held" : lock.foreign === true ? "locked in another repository" : `locked for #${lock.pull}`} by ${code(lock.by, 60)}${lock.reason === null ? "" : `: ${code(lock.reason)}`}\n`,
  );
  const list =
    locked.length === 0
      ? ""
      : `\n${bounded(locked, (left) => `- … and ${left} more.\n`, locked.length, 6_000)}`;
  const known = machines.map(({ name, word }) => `- ${code(name)}: ${word}\n`);
  const seen =
    known.length === 0
      ? ""
      : `\nMachines:\n\n${bounded(known, (left) => `- … and ${left} more.\n`, known.length, 6_000)}`;
  return `${parts.join(" ")}\n\n${table}${list}${seen}`;
}
