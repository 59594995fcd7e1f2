import type { Verdict } from "../../protocol/verdict.ts";
import { advice, conclusion, type Conclusion, rollup, rooted, word } from "../verdict/index.ts";
import { ANNOTATION_CAP, annotations, findingAnnotations } from "./annotations.ts";
import { bounded } from "./bounded.ts";
import { causeParts } from "./causes.ts";
import { code, line } from "./escape.ts";
import type { Annotation, Cause, CheckBody, Listed, Summary } from "./model.ts";
import { table } from "./table.ts";
import { brief, detail } from "./verdict.ts";

/** `snowcat`: the whole run. `attributes` come worst first and may be fewer than the run has. */
export function overallCheck(
  summary: Summary,
  attributes: readonly Listed[],
  causes: readonly Cause[],
  configuration: Annotation[] = [],
): CheckBody {
  const { stopped } = summary;
  const done = summary.phase === "finished" || summary.phase === "waiting-approval";
  const parts = [...causeParts(causes), ...table(attributes)];
  const text = bounded(
    parts,
    (left) => `\n${cutNote(left, attributes.length, summary.attributes, summary.url)}\n`,
    parts.length + summary.attributes - attributes.length,
  );
  const verdict =
    stopped ??
    (summary.evaluation && summary.evaluation.kind !== "succeeded" ? summary.evaluation : null);
  return {
    status: done ? "completed" : "in_progress",
    conclusion: done
      ? stopped
        ? conclusion(stopped.kind, true)
        : (summary.conclusion ?? "action_required")
      : null,
    title: line(overallTitle(summary)),
    summary: [
      verdict === null ? "" : `${explain(verdict)}\n`,
      approval(summary),
      stopped === null && done ? unjudged(summary) : "",
      facts(summary),
    ]
      .filter((part) => part !== "")
      .join("\n"),
    text: text.trim() === "" ? null : text,
    annotations: done ? configuration : [],
    actions:
      summary.approval === null || summary.phase !== "waiting-approval"
        ? []
        : [{ label: "OK to test", description: "Run this very commit", identifier: "ok-to-test" }],
  };
}

/**
 * `snowcat / evaluation`: whether everything could be evaluated. `errors` are the attributes that could not. Until it is
 * done it says nothing that changes: the overall check alone tells the progress, so that one write does.
 */
export function evaluationCheck(
  summary: Summary,
  errors: readonly Listed[],
  total: number,
): CheckBody {
  const verdict = summary.evaluation ?? summary.stopped;
  const done = verdict !== null;
  const required =
    errors.some((error) => error.required) ||
    summary.counts.some(
      (one) =>
        one.required &&
        one.count > 0 &&
        (one.kind === "evaluation-error" || one.kind === "not-covered"),
    );
  const whole: Conclusion = verdict === null ? "action_required" : conclusion(verdict.kind, true);
  const text = bounded(
    errors.map(
      (error) =>
        `### ${code(error.name)}\n\n${error.verdict === null ? "" : brief(error.verdict)}${error.required ? "" : " (not required)"}\n\n${error.verdict === null ? "" : detail(error.verdict, 3_000)}\n`,
    ),
    (left) => `\n${left} more attributes have errors: [the run](${summary.url}) lists them.\n`,
    total,
  );
  const root: Listed[] =
    verdict === null ? [] : [{ name: "flake", system: null, required: true, verdict, seconds: 0 }];
  return {
    status: done ? "completed" : "in_progress",
    conclusion: !done ? null : whole !== "success" ? whole : required ? worst(summary) : "success",
    title: line(evaluationTitle(summary, verdict, total)),
    summary: [
      verdict === null || verdict.kind === "succeeded" ? "" : `${explain(verdict)}\n`,
      facts(summary),
      done ? differing(summary) : "",
      done ? found(summary) : "",
    ]
      .filter((part) => part !== "")
      .join("\n"),
    text: !done || text.trim() === "" ? null : text,
    annotations: done
      ? [...annotations([...root, ...errors]), ...findingAnnotations(summary.findings)].slice(
          0,
          ANNOTATION_CAP,
        )
      : [],
    actions: [],
  };
}

/** `snowcat / build`: what was built. `attributes` are those that were to be built, worst first; no progress, as above. */
export function buildCheck(
  summary: Summary,
  attributes: readonly Listed[],
  causes: readonly Cause[],
): CheckBody {
  const done = summary.phase === "finished";
  const counts = summary.counts.filter(({ kind }) => !OF_EVALUATION.has(kind));
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const required = counts.filter((one) => one.required && one.count > 0);
  const ended =
    summary.stopped ?? (summary.evaluation?.kind === "succeeded" ? null : summary.evaluation);
  const parts = [...causeParts(causes), ...table(attributes)];
  const left = Math.max(0, total + summary.pending - attributes.length);
  const text = bounded(
    parts,
    (rest) => `\n${cutNote(rest, attributes.length, total + summary.pending, summary.url)}\n`,
    parts.length + left,
  );
  const nothing = total === 0 && ended !== null;
  return {
    status: done
      ? "completed"
      : summary.phase === "building" || total > 0
        ? "in_progress"
        : "queued",
    conclusion: !done ? null : nothing ? conclusion(ended.kind, true) : rollup(required),
    title: line(
      !done ? "Building" : nothing ? `Nothing was built: ${word(ended.kind)}` : tally(counts),
    ),
    summary: `${done && summary.stopped === null ? unjudged(summary) : ""}${facts(summary)}`,
    text: !done || text.trim() === "" ? null : text,
    annotations: [],
    actions: [],
  };
}

const OF_EVALUATION: ReadonlySet<string> = new Set([
  "evaluation-error",
  "not-covered",
  "evaluated-only",
]);

function worst(summary: Summary): Conclusion {
  return rollup(
    summary.counts.filter(
      ({ kind, count }) => count > 0 && (kind === "evaluation-error" || kind === "not-covered"),
    ),
  );
}

function overallTitle(summary: Summary): string {
  const { stopped, phase } = summary;
  if (stopped !== null)
    return stopped.kind === "needs-approval" ? "Needs approval" : capital(word(stopped.kind));
  if (phase === "preparing") return "Preparing";
  if (phase === "evaluating" && summary.attributes === 0) return "Evaluating";
  if (phase !== "finished")
    return `${judged(summary)} of ${summary.attributes} attributes${phase === "evaluating" ? ", evaluating" : ""}`;
  if (summary.evaluation && summary.evaluation.kind !== "succeeded")
    return `Evaluation: ${word(summary.evaluation.kind)}`;
  return summary.attributes === 0
    ? "Nothing to build"
    : `${tally(summary.counts)}${summary.replayOf === null ? "" : " (tree known)"}`;
}

function evaluationTitle(summary: Summary, verdict: Verdict | null, errors: number): string {
  if (verdict === null) return "Evaluating";
  if (verdict.kind !== "succeeded") return capital(word(verdict.kind));
  if (errors > 0) return `${errors} of ${summary.attributes} attributes with errors`;
  return `${summary.attributes} ${summary.attributes === 1 ? "attribute" : "attributes"}${summary.replayOf === null ? "" : " (tree known)"}`;
}

function judged(summary: Summary): number {
  return summary.attributes - summary.pending;
}

/** `1 failed, 41 succeeded`: worst first, what is not required apart. */
function tally(counts: Summary["counts"]): string {
  const words = new Map<string, number>();
  for (const { kind, required, count } of counts) {
    if (count === 0) continue;
    const label =
      required || kind === "evaluated-only" ? word(kind) : `${word(kind)} (not required)`;
    words.set(label, (words.get(label) ?? 0) + count);
  }
  const good = word("succeeded");
  const sorted = [...words].toSorted(
    ([a], [b]) => Number(a === good) - Number(b === good) || (a < b ? -1 : 1),
  );
  return sorted.map(([label, count]) => `${count} ${label}`).join(", ") || "Nothing to build";
}

function explain(verdict: Verdict): string {
  return `**${capital(brief(verdict))}.** ${advice(verdict.kind)}\n\n${detail(verdict, 8_000)}`.trimEnd();
}

function approval(summary: Summary): string {
  if (summary.approval === null) return "";
  return `No job runs before someone with write access approves this very commit, by the button **OK to test** or by this comment:\n\n\`\`\`text\n${summary.approval}\n\`\`\`\n`;
}

function facts(summary: Summary): string {
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
      : `- Evaluator: ${code(evaluator.name)}, ${seconds(evaluator.seconds)}${evaluator.peakBytes === null ? "" : `, ${Math.ceil(evaluator.peakBytes / 2 ** 20)} MiB`}${evaluator.degraded === null ? "" : `; degraded: ${code(evaluator.degraded)}`}\n`,
    ...summary.notices.slice(0, 50).map((notice) => `- Notice: ${code(notice, 500)}\n`),
    `- [The run](${summary.url})\n`,
  ].join("");
}

/** To a tenth below ten seconds, where it makes a difference. */
function seconds(value: number): string {
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} s`;
}

/** What to do about required attributes that have no check of their own, because no change of the code would help them. */
function unjudged({ counts }: Summary): string {
  const lines = counts
    .filter(({ kind, required, count }) => required && count > 0 && !rooted(kind))
    .flatMap(({ kind, count }) =>
      advice(kind) === "" ? [] : [`- **${count} × ${word(kind)}**: ${advice(kind)}\n`],
    );
  return lines.length === 0 ? "" : `${lines.join("")}\n`;
}

/** What the change changes, by the base's evaluation. */
function differing({ difference }: Summary): string {
  if (difference === null) return "";
  const { base: sha, of, changed, added, removed, names } = difference;
  const base = `the base (${code(sha.slice(0, 10))})`;
  if (changed + added + removed === 0) return `No attribute differs from ${base}.\n`;
  const counts = [
    [changed, "changed"],
    [added, "added"],
    [removed, "removed"],
  ] as const;
  const told = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const lists = counts.flatMap(([count, kind]) => {
    const some = names.filter((one) => one.kind === kind).map(({ name }) => code(name));
    if (some.length === 0) return [];
    const more = count > some.length ? ` and ${count - some.length} more` : "";
    return [`- ${capital(kind)}: ${some.join(", ")}${more}\n`];
  });
  return `${changed + added} of ${of} attributes differ from ${base}: ${told.join(", ")}.\n\n${lists.join("")}`;
}

/** What the outputs should not be, for those who do not look at annotations. */
function found({ findings }: Summary): string {
  if (findings.length === 0) return "";
  const lines = findings.slice(0, 50).map(({ about, message, position }) => {
    const where = position === null ? "" : ` (${code(`${position.file}:${position.line}`)})`;
    return `- ${code(about)}: ${code(message, 500)}${where}\n`;
  });
  const rest = findings.length - lines.length;
  return `Found by the way; it blocks nothing:\n\n${lines.join("")}${rest > 0 ? `- and ${rest} more\n` : ""}`;
}

function cutNote(left: number, loaded: number, total: number, url: string): string {
  return `${left} more entries are not shown here (${total} attributes${loaded < total ? "" : " in all"}): [the run](${url}) lists every one.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
