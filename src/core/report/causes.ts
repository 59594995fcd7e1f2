import type { VerdictKind } from "../../protocol/verdict.ts";
import { advice, conclusion, kindNamed, word } from "../verdict/index.ts";
import { bounded } from "./bounded.ts";
import { code, line } from "./escape.ts";
import { past } from "./flaky.ts";
import type { Cause, CheckBody } from "./model.ts";
import { base, brief, detail } from "./verdict.ts";
import { annotations } from "./annotations.ts";

/** The check run of one root cause: what failed, its log's end, what hangs on it. */
export function causeCheck(cause: Cause, url: string): CheckBody {
  const others = cause.dependents.filter((name) => name !== cause.label);
  const kind = kindOf(cause);
  const lines = [
    `${code(cause.label)} ${briefly(cause)}.\n`,
    cause.drv === null ? "" : `\nDerivation: ${code(base(cause.drv), 220)}\n`,
    `\n${advice(kind)}\n`,
    cause.flaky === null ? "" : `\n${past(cause.flaky)}`,
    `\n${cause.log === null ? `[The run](${url})` : `[Whole log](${cause.log}) · [the run](${url})`}\n`,
  ];
  const dependents = others.map((name) => `- ${code(name)}\n`);
  const text = bounded(
    [detail(cause.verdict, 16_000), others.length > 0 ? "\nWith it fail:\n\n" : "", ...dependents],
    (left) => `\n${left} more attributes hang on it.\n`,
    2 + Math.max(others.length, cause.total - (cause.dependents.length - others.length)),
  );
  return {
    status: "completed",
    // Only causes of something required have a check run.
    conclusion: conclusion(kind, true),
    title: line(
      `${plainBrief(cause)}${cause.total > 1 ? `; ${cause.total} attributes` : ""}${cause.flaky?.proof == null ? "" : "; flaky"}`,
    ),
    summary: lines.join(""),
    text: text.trim() === "" ? null : text,
    annotations: annotations([
      { name: cause.label, system: null, required: true, verdict: cause.verdict, seconds: 0 },
    ]),
    actions: [],
  };
}

/** Root causes as parts of an aggregate's text. */
export function* causeParts(causes: Iterable<Cause>): Iterable<string> {
  for (const cause of causes) {
    const log = cause.log === null ? "" : ` [Whole log](${cause.log}).`;
    const others = cause.dependents.filter((name) => name !== cause.label);
    const more =
      cause.total - (cause.dependents.length - others.length) - Math.min(others.length, 20);
    const list =
      others.length === 0
        ? ""
        : `With it: ${others
            .slice(0, 20)
            .map((name) => code(name))
            .join(", ")}${more > 0 ? ` and ${more} more` : ""}.\n\n`;
    yield `### ${code(cause.label)}\n\n${briefly(cause)}.${log} ${advice(kindOf(cause))}\n\n${cause.flaky === null ? "" : `${past(cause.flaky)}\n`}${list}${detail(cause.verdict, 4_000)}\n`;
  }
}

/** The cause that most hangs on: one line of an aggregate's summary. Empty without causes. */
export function lookFirst(causes: readonly Cause[]): string {
  const [first] = causes.toSorted((a, b) => b.total - a.total);
  if (first === undefined) return "";
  const name = code(first.label);
  const where = first.log === null ? name : `[${name}](${first.log})`;
  const others = first.total - (first.dependents.includes(first.label) ? 1 : 0);
  return `**Look first at** ${where}: ${briefly(first)}${others > 0 ? `; ${others} more ${others === 1 ? "attribute hangs" : "attributes hang"} on it` : ""}${first.flaky?.proof == null ? "" : "; flaky"}.\n\n`;
}

/** How the cause itself ended. One that is no attribute is known by what it kept from being tried. */
function kindOf({ drv, verdict }: Cause): VerdictKind {
  if (verdict.kind !== "dependency-failed" || verdict.cause !== drv) return verdict.kind;
  return kindNamed(verdict.verdict) ?? "failed";
}

function briefly(cause: Cause): string {
  const kind = kindOf(cause);
  return kind === cause.verdict.kind ? brief(cause.verdict) : word(kind);
}

function plainBrief(cause: Cause): string {
  return briefly(cause).replaceAll("`", "");
}
