import type { Verdict } from "../../protocol/verdict.ts";
import { buttonsOf } from "../command/registry.ts";
import { conclusion, type Conclusion, endedWith, rollup, word } from "../verdict/index.ts";
import { ANNOTATION_CAP, annotations, findingAnnotations } from "./annotations.ts";
import { bounded, summaryOf } from "./bounded.ts";
import { causeParts, lookFirst } from "./causes.ts";
import { code, line } from "./escape.ts";
import {
  approval,
  capital,
  course,
  differing,
  explain,
  facts,
  found,
  notices,
  unjudged,
} from "./facts.ts";
import { flakyLines } from "./flaky.ts";
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
        ? endedWith(stopped.kind)
        : (summary.conclusion ?? "action_required")
      : null,
    title: line(overallTitle(summary)),
    summary: summaryOf(
      [
        verdict === null ? "" : `${explain(verdict)}\n\n`,
        approval(summary),
        stopped === null && done ? unjudged(summary) : "",
        stopped === null ? lookFirst(causes) : "",
        ...flakyLines(summary.flaky),
        ...course(summary),
        ...facts(summary),
        ...notices(summary),
      ],
      summary.url,
    ),
    text: text.trim() === "" ? null : text,
    annotations: done ? configuration.slice(0, ANNOTATION_CAP) : [],
    actions:
      summary.approval === null || summary.phase !== "waiting-approval"
        ? []
        : buttonsOf("ok-to-test"),
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
  const whole: Conclusion =
    summary.evaluation !== null
      ? conclusion(summary.evaluation.kind, true)
      : verdict === null
        ? "action_required"
        : endedWith(verdict.kind);
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
    summary: summaryOf(
      [
        verdict === null || verdict.kind === "succeeded" ? "" : `${explain(verdict)}\n\n`,
        ...facts(summary),
        ...(done ? [...differing(summary), ...found(summary)] : []),
        ...notices(summary),
      ],
      summary.url,
    ),
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
  const counts = summary.counts.filter(
    ({ kind, required }) => !OF_EVALUATION.has(kind) || (required && kind === "evaluated-only"),
  );
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
    conclusion: !done ? null : nothing ? endedWith(ended.kind) : rollup(required),
    title: line(
      !done ? "Building" : nothing ? `Nothing was built: ${word(ended.kind)}` : tally(counts),
    ),
    summary: summaryOf(
      done && summary.stopped === null
        ? [
            unjudged(summary),
            lookFirst(causes),
            ...flakyLines(summary.flaky),
            ...course(summary),
            ...facts(summary),
          ]
        : facts(summary),
      summary.url,
    ),
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
    return `${summary.attributes - summary.pending} of ${summary.attributes} attributes${failedSoFar(summary)}${phase === "evaluating" ? ", evaluating" : ""}`;
  if (summary.evaluation && summary.evaluation.kind !== "succeeded")
    return `Evaluation: ${word(summary.evaluation.kind)}`;
  return summary.attributes === 0
    ? "Nothing to build"
    : `${tally(summary.counts)}${summary.flaky.total > 0 ? `; ${summary.flaky.total} flaky` : ""}${summary.replayOf === null ? "" : " (tree known)"}`;
}

function evaluationTitle(summary: Summary, verdict: Verdict | null, errors: number): string {
  if (verdict === null) return "Evaluating";
  if (verdict.kind !== "succeeded") return capital(word(verdict.kind));
  if (errors > 0) return `${errors} of ${summary.attributes} attributes with errors`;
  return `${summary.attributes} ${summary.attributes === 1 ? "attribute" : "attributes"}${summary.replayOf === null ? "" : " (tree known)"}`;
}

function failedSoFar({ counts }: Summary): string {
  const bad = counts
    .filter(({ kind, required }) => required && conclusion(kind, true) !== "success")
    .reduce((sum, { count }) => sum + count, 0);
  return bad > 0 ? `, ${bad} not well` : "";
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

function cutNote(left: number, loaded: number, total: number, url: string): string {
  return `${left} more entries are not shown here (${total} attributes${loaded < total ? "" : " in all"}): [the run](${url}) lists every one.`;
}
