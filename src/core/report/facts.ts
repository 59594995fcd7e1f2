import type { Verdict } from "../../protocol/verdict.ts";
import { buttonsOf } from "../command/registry.ts";
import { advice, rooted, word } from "../verdict/index.ts";
import { code, exact } from "./escape.ts";
import type { Summary } from "./model.ts";
import { duration } from "./time.ts";
import { brief, detail } from "./verdict.ts";

/** A verdict that ends the whole run: what it is, what to do, what was said. */
export function explain(verdict: Verdict): string {
  return `**${capital(brief(verdict))}.** ${advice(verdict.kind)}\n\n${detail(verdict, 8_000)}`.trimEnd();
}

/** How the run is let go on. */
export function approval(summary: Summary): string {
  if (summary.approval === null) return "";
  const [button] = buttonsOf("ok-to-test");
  return `No job runs before someone with write access approves this very commit, by the button **${button?.label ?? ""}** or by this comment:\n\n${exact(summary.approval)}\n\n`;
}

/**
 * How far the run is, or what it took. It changes all the time: a check that says it is written for each step, so only
 * one does before the end.
 */
export function course(summary: Summary): string[] {
  const { phase, seconds, longest, reused, attributes, pending, replayOf } = summary;
  const judged = attributes - pending;
  const builds = longest.map((one) => `${code(one.name)} ${duration(one.seconds)}`);
  return [
    phase === "finished" || attributes === 0
      ? ""
      : `- Progress: ${judged} of ${attributes} attributes (${Math.floor((judged / attributes) * 100)} %)${phase === "evaluating" ? ", more may come" : ""}\n`,
    replayOf === null && reused > 0
      ? `- Known before: ${reused} of ${attributes} verdicts; nothing was built for them.\n`
      : "",
    phase === "finished" && seconds > 0
      ? `- Took ${duration(seconds)}${builds.length === 0 ? "" : `; longest builds: ${builds.join(", ")}`}\n`
      : "",
  ];
}

/** What the run is about, a line each. */
export function facts(summary: Summary): string[] {
  const { evaluator, replayOf } = summary;
  const merged = summary.built !== null && summary.built !== summary.head;
  return [
    `- Commit: ${code(summary.head)}${merged ? `; built: its test merge ${code(summary.built ?? "")}${summary.base === null ? "" : ` into ${code(summary.base)}`}` : ""}\n`,
    summary.pool === null
      ? ""
      : `- Pool: ${code(summary.pool)}; required systems: ${summary.requiredSystems.map((system) => code(system)).join(", ") || "none"}\n`,
    replayOf === null
      ? ""
      : `- The same tree was judged before, by run ${code(replayOf)}: nothing was evaluated or built again. Re-run the check to do so.\n`,
    evaluator === null
      ? ""
      : `- Evaluator: ${code(evaluator.name)}, ${duration(evaluator.seconds)}${evaluator.peakBytes === null ? "" : `, ${Math.ceil(evaluator.peakBytes / 2 ** 20)} MiB`}${evaluator.degraded === null ? "" : `; degraded: ${code(evaluator.degraded)}`}\n`,
    `- [The run](${summary.url})\n`,
  ];
}

/** What else was said. Last: it may be long, and be left to the run's page. */
export function notices({ notices: said }: Summary): string[] {
  if (said.length === 0) return [];
  return ["\nNotices:\n\n", ...said.slice(0, 50).map((notice) => `- ${code(notice, 500)}\n`)];
}

/** What to do about required attributes that have no check of their own, because no change of the code would help them. */
export function unjudged({ counts }: Summary): string {
  const lines = counts
    .filter(({ kind, required, count }) => required && count > 0 && !rooted(kind))
    .flatMap(({ kind, count }) =>
      advice(kind) === "" ? [] : [`- **${count} × ${word(kind)}**: ${advice(kind)}\n`],
    );
  return lines.length === 0 ? "" : `${lines.join("")}\n`;
}

/** What the change changes, by the base's evaluation. */
export function differing({ difference, impact }: Summary): string[] {
  if (impact != null) return [`\n${impact}`];
  if (difference === null) return [];
  const { base: sha, of, changed, added, removed, revision = 0, names } = difference;
  const base = `the base (${code(sha.slice(0, 10))})`;
  if (changed + added + removed + revision === 0) return [`\nNo attribute differs from ${base}.\n`];
  const counts = [
    [changed, "changed"],
    [added, "added"],
    [removed, "removed"],
    [revision, "revision"],
  ] as const;
  const told = counts
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word === "revision" ? "by the revision alone" : word}`);
  const lists = counts.flatMap(([count, kind]) => {
    const some = names.filter((one) => one.kind === kind).map(({ name }) => code(name));
    if (some.length === 0) return [];
    const more = count > some.length ? ` and ${count - some.length} more` : "";
    return [`- ${capital(kind)}: ${some.join(", ")}${more}\n`];
  });
  return [
    `\n${changed + added + revision} of ${of} attributes differ from ${base}: ${told.join(", ")}.\n\n`,
    ...lists,
  ];
}

/** What the outputs should not be, for those who do not look at annotations. */
export function found({ findings }: Summary): string[] {
  if (findings.length === 0) return [];
  const lines = findings.slice(0, 50).map(({ about, message, position }) => {
    const where = position === null ? "" : ` (${code(`${position.file}:${position.line}`)})`;
    return `- ${code(about)}: ${code(message, 500)}${where}\n`;
  });
  const rest = findings.length - lines.length;
  return [
    "\nFound by the way; it blocks nothing:\n\n",
    ...lines,
    ...(rest > 0 ? [`- and ${rest} more\n`] : []),
  ];
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
