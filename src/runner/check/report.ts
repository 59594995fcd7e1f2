import type { Finding } from "../../protocol/data.ts";
import type { Verdict } from "../../protocol/verdict.ts";

/** One line of `snowcat check`. */
export interface Row {
  /** The attribute path as Nix spells it; for what has none, the part of the repository. */
  readonly name: string;
  readonly system: string | null;
  readonly drv: string | null;
  readonly verdict: Verdict;
  readonly required: boolean;
  readonly seconds: number;
  readonly logTail: string;
}

/** Required rows have to succeed; others are told only. */
export function passed(rows: readonly Row[]): boolean {
  return rows.every((row) => !row.required || row.verdict.kind === "succeeded");
}

/** The stable form for programs. `seconds` is the whole check. */
export function json(rows: readonly Row[], seconds: number): string {
  return JSON.stringify({
    attributes: rows.map(({ name, system, drv, verdict, seconds: own, logTail }) => ({
      name,
      system,
      drv,
      verdict: verdict.kind,
      seconds: rounded(own),
      log_tail: logTail,
    })),
    seconds: rounded(seconds),
  });
}

/** What the checks would say, for people. */
export function words(
  rows: readonly Row[],
  warnings: readonly string[],
  findings: readonly Finding[],
  seconds: number,
): string {
  const lines: string[] = [];
  for (const row of rows.toSorted((a, b) => Number(good(a)) - Number(good(b)))) {
    if (good(row) && rows.length > 40 && row.verdict.kind === "succeeded") continue;
    lines.push(
      `${good(row) ? "  ok  " : "FAILED"}  ${row.name}: ${summary(row.verdict)}${row.required ? "" : " (not required)"}`,
    );
    if (!good(row) && row.logTail !== "")
      lines.push(...row.logTail.split("\n").map((line) => `          ${line}`));
  }
  for (const warning of warnings)
    lines.push(`warning  ${warning.replace(/^(?:evaluation )?warning: /u, "")}`);
  for (const { about, message, position } of findings)
    lines.push(
      `finding  ${position === null ? "" : `${position.file}:${position.line}: `}${about}: ${message}`,
    );
  const succeeded = rows.filter((row) => row.verdict.kind === "succeeded").length;
  lines.push(
    `${passed(rows) ? "passed" : "FAILED"}: ${succeeded} of ${rows.length} attributes succeeded, in ${seconds.toFixed(1)} s`,
  );
  return lines.join("\n");
}

function good(row: Row): boolean {
  return row.verdict.kind === "succeeded" || !row.required;
}

/** The text that stands for an attribute's log where it has none of its own. */
export function tailOf(verdict: Verdict): string {
  switch (verdict.kind) {
    case "evaluation-error":
      return `${verdict.position === null ? "" : `${verdict.position.file}:${verdict.position.line}: `}${verdict.message}`;
    case "failed":
    case "dependency-failed":
    case "timed-out":
    case "silent":
    case "out-of-memory":
    case "out-of-disk":
      return verdict.logTail;
    case "infrastructure":
      return verdict.logTail === "" ? verdict.message : verdict.logTail;
    case "hash-mismatch":
      return `specified: ${verdict.specified}\n      got: ${verdict.got}`;
    case "no-runner":
      return `missing: ${verdict.missing.join(", ")}`;
    case "needs-exchange":
      return `needs ${verdict.drv}, which only another runner can build (${verdict.missing.join(", ")})`;
    case "not-covered":
    case "needs-approval":
      return verdict.reason;
    case "conflict":
      return verdict.message;
    case "succeeded":
    case "evaluated-only":
    case "cancelled":
    case "superseded":
      return "";
  }
}

function summary(verdict: Verdict): string {
  switch (verdict.kind) {
    case "failed":
      return `the builder failed${verdict.exitCode === null ? "" : ` with exit code ${verdict.exitCode}`}`;
    case "dependency-failed":
      return `not tried: ${verdict.cause} failed (${verdict.verdict})`;
    case "succeeded":
      return verdict.reused ? "built already" : "built";
    case "timed-out":
      return `took longer than ${verdict.limitSeconds} s`;
    case "silent":
      return `printed nothing for ${verdict.limitSeconds} s`;
    default:
      return verdict.kind;
  }
}

/** To the millisecond: more is noise. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
