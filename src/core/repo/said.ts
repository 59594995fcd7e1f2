import { commandOfButton } from "../command/button.ts";
import type { Command } from "../command/command.ts";
import { printCommand, readCommands } from "../command/read.ts";
import type { What } from "../event/event.ts";
import type { Sender } from "./request.ts";
import type { AuditEntry, CommandRow, Slice } from "./rows.ts";
import type { Plan } from "./start.ts";

type Comment = Extract<What, { kind: "comment" }>;
type Press = Extract<What, { kind: "check_run"; action: "requested_action" }>;

/** Commands of one person in one repository within an hour; above it they are written down and nothing else. */
const MOST_AN_HOUR = 60;
/** The hour (ms). */
export const LATELY = 3_600_000;

/** Programs say nothing to us, ourselves included. */
function speaks(sender: Sender): boolean {
  return sender.type === "User";
}

/**
 * A comment's commands, in their order, each with a key of its own. A comment is read once: what is delivered again, and
 * any later edit, changes nothing.
 */
export function said(plan: Plan, slice: Slice, comment: Comment, by: Sender): void {
  if (!speaks(by) || slice.commands.length > 0) return;
  const { lines } = readCommands(comment.body);
  if (lines.length === 0) return;
  const rows = lines.map((line): CommandRow => {
    const about = {
      key: `comment:${comment.id}:${line.line}`,
      pull: comment.pull,
      comment: comment.id,
      line: line.line,
      via: "comment" as const,
      by,
      at: comment.at,
      sha: null,
      actsOn: null,
    };
    return line.kind === "command"
      ? asked(about, line.command)
      : {
          ...about,
          text: line.meant === null ? "" : `/${line.meant}`,
          command: null,
          state: "done",
          outcome: { kind: "problem", code: null, text: line.problem },
        };
  });
  if (slice.lately + rows.length > MOST_AN_HOUR) return tooOften(plan, rows);
  write(plan, rows);
  plan.decision.effects.push({ kind: "react", comment: comment.id, content: "eyes" });
  if (rows.every(({ state }) => state === "done"))
    plan.decision.effects.push({ kind: "react", comment: comment.id, content: "confused" });
}

/**
 * GitHub puts the SHA of the check's own commit into the request, so a button cannot be raced. It is about the pull
 * request whose run the check belongs to, and is good once, except that somebody who may not does not use it up.
 */
export function pressed(
  plan: Plan,
  slice: Slice,
  press: Press,
  run: { reason: Slice["runs"][number]["reason"] } | undefined,
  by: Sender,
): void {
  const command = commandOfButton(press.identifier, press.head);
  const number = pullOf(run?.reason);
  if (!speaks(by) || command === null || number === null) return;
  const used = slice.commands.some((row) => row.outcome?.kind !== "refused" || row.by.id === by.id);
  if (used || slice.lately >= MOST_AN_HOUR) return;
  const base = keyOfPress(press);
  const about = {
    key: slice.commands.length === 0 ? base : `${base}:${by.id}`,
    pull: number,
    comment: null,
    line: 0,
    via: "button" as const,
    by,
    at: plan.now,
    sha: press.head,
    actsOn: null,
  };
  write(plan, [asked(about, command)]);
}

/** The pull request that a run belongs to. */
function pullOf(reason: Slice["runs"][number]["reason"] | undefined): number | null {
  if (reason?.kind === "deploy") return reason.pull;
  return reason?.kind === "pull_request" ? reason.number : null;
}

export function keyOfPress({ id, head, identifier }: Press): string {
  return `button:${id}:${head}:${identifier}`;
}

type About = Omit<CommandRow, "text" | "command" | "state" | "outcome">;
function asked(about: About, command: Command): CommandRow {
  return { ...about, text: printCommand(command), command, state: "asked", outcome: null };
}

function write(plan: Plan, rows: readonly CommandRow[]): void {
  const { changes, effects } = plan.decision;
  for (const row of rows) {
    changes.push({ kind: "command", row });
    if (row.state === "asked")
      effects.push({ kind: "ask-permission", pull: row.pull, key: row.key });
    else
      changes.push({
        kind: "audit",
        at: plan.now,
        entry: entryOf(row, "not read", row.outcome?.text ?? ""),
      });
  }
  const [first] = rows;
  if (first !== undefined) effects.push({ kind: "sticky", pull: first.pull });
}

/** Whoever floods costs the installation nothing: no request is made for them. */
function tooOften(plan: Plan, rows: readonly CommandRow[]): void {
  const [first] = rows;
  if (first === undefined) return;
  plan.decision.changes.push({
    kind: "audit",
    at: plan.now,
    entry: entryOf(
      first,
      "ignored",
      `More than ${MOST_AN_HOUR} commands within an hour; ${rows.length} in this comment.`,
    ),
  });
}

export function entryOf(row: CommandRow, decision: string, reason: string): AuditEntry {
  const { key, pull, by, via, sha, actsOn } = row;
  const command = row.text.slice(0, 2_000);
  return { key, pull, by, via, command, sha: actsOn ?? sha, decision, reason };
}
