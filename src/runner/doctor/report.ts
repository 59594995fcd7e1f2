import { CONFIGURATION_FILE } from "../../core/config/schema.ts";
import type { Kept } from "../nix/roots/table.ts";
import type { Looked, Told } from "./look.ts";

export interface Examined extends Looked {
  /** What the runner's store keeps from garbage collection; null where nobody asked. */
  readonly roots: readonly Kept[] | null;
}

export function healthy({ problems }: Looked): boolean {
  return problems.every(({ level }) => level !== "error");
}

/** The stable form for programs. */
export function json(examined: Examined, seconds: number): string {
  const { problems, seen, roots } = examined;
  return JSON.stringify({
    ok: healthy(examined),
    problems: problems.map(({ level, key, message, line, column }) => {
      return { level, file: CONFIGURATION_FILE, line, column, key, message };
    }),
    seen,
    roots:
      roots?.map(({ repository, name, ref, at, roots: kept }) => {
        return { repository, name, ref, at, outputs: kept.length };
      }) ?? null,
    seconds: Math.round(seconds * 1_000) / 1_000,
  });
}

/** For people: problems where they stand, worst first, and how much was looked at. */
export function words(examined: Examined): string {
  const { problems, seen, roots } = examined;
  const rank = { error: 0, warning: 1, note: 2 };
  const lines = problems
    .toSorted((a, b) => rank[a.level] - rank[b.level] || (a.line ?? 0) - (b.line ?? 0))
    .map(told);
  const counted = Object.entries(seen).map(([what, count]) => `${count} ${what}`);
  lines.push(`looked at: ${counted.join(", ")}`);
  if (roots !== null) {
    const outputs = roots.reduce((sum, one) => sum + one.roots.length, 0);
    lines.push(`kept from garbage collection: ${outputs} outputs of ${roots.length} branches`);
    for (const { name, ref, at, roots: kept } of roots.toSorted((a, b) => b.at - a.at))
      lines.push(
        `  ${printable(name)}  ${printable(ref)}  ${kept.length} outputs, good last ${new Date(at).toISOString()}`,
      );
  }
  const count = (level: Told["level"]): number =>
    problems.filter((one) => one.level === level).length;
  lines.push(
    `${healthy(examined) ? "healthy" : "NOT healthy"}: ${count("error")} errors, ${count("warning")} warnings, ${count("note")} notes`,
  );
  return lines.join("\n");
}

function told({ level, key, message, line, column }: Told): string {
  const place = line === null ? CONFIGURATION_FILE : `${CONFIGURATION_FILE}:${line}:${column ?? 1}`;
  const text = printable(message.trimEnd()).split("\n");
  return `${place}: ${level}: ${key === "" ? "" : `${printable(key)}: `}${text.join("\n    ")}`;
}

/** Names and messages are the repository's; a terminal takes some characters for orders. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]|\p{Cf}/gu, "?");
}
