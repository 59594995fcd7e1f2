import type {
  ClosureDifference,
  InputChange,
  MachineDifference,
  PackageChange,
} from "../../protocol/impact.ts";
import { code } from "../report/escape.ts";
import { NOISE } from "./closure.ts";
import type { ComparedMachine } from "./compare.ts";

/** What changes inside of one machine, as Markdown parts that may be cut behind any of them. */
export function* detailsOf(
  { machine, selection }: ComparedMachine,
  { before, after, derivation, closure }: MachineDifference,
): Iterable<string> {
  const file = selection.startsWith("file:") ? ` (${code(selection.slice(5))})` : "";
  yield `\n#### ${code(machine)}${file}\n\n- Derivation: ${code(base(before))} → ${code(base(after))}\n`;
  if (derivation.kind === "unknown")
    yield `- What the derivation is built from was not compared: ${code(derivation.why, 500)}\n`;
  else {
    const { changed, added, removed, inputs, origins, bounded } = derivation;
    const total = changed + added + removed;
    if (total > 0)
      yield `- Direct inputs: ${changed} changed, ${added} added, ${removed} removed: ${inputs.map(input).join(", ")}${total > inputs.length ? ` and ${total - inputs.length} more` : ""}\n`;
    if (origins.length > 0) yield `- It begins with${bounded ? ", among others" : ""}:\n`;
    for (const { before: was, after: is, differs } of origins)
      yield `  - ${input({ before: was, after: is })}: ${differs.map((one) => code(one, 120)).join(", ")}\n`;
  }
  if (closure.kind === "unknown") {
    yield `- The closures were not compared: ${code(closure.why, 500)}\n`;
    return;
  }
  yield* closureLines(closure);
}

/** How two closures differ: their sizes, and a table of packages. */
export function* closureLines(closure: ClosureDifference): Iterable<string> {
  yield `- Closure: ${closure.before.paths} paths, ${size(closure.before.bytes)} → ${closure.after.paths} paths, ${size(closure.after.bytes)}\n`;
  if (closure.packages.length === 0) return;
  yield `\n| package | before | after | size |\n|---|---|---|---|\n`;
  for (const one of closure.packages) yield packageRow(one);
  const left = closure.added + closure.removed + closure.changed - closure.packages.length;
  if (left > 0) yield `\n${left} more packages differ.\n`;
  yield `\nA package whose versions stay and whose size moves by less than ${NOISE / 1_024} KiB is left out.\n`;
}

function packageRow({ name, before, after, bytes }: PackageChange): string {
  const delta = bytes === 0 ? "" : `${bytes > 0 ? "+" : "−"}${size(Math.abs(bytes))}`;
  return `| ${code(name, 100)} | ${versions(before)} | ${versions(after)} | ${delta} |\n`;
}

function versions(list: readonly string[]): string {
  if (list.length === 0) return "–";
  return list.map((version) => (version === "" ? "(no version)" : code(version, 60))).join(", ");
}

function input({ before, after }: InputChange): string {
  if (before === null) return `${code(after ?? "", 100)} added`;
  if (after === null) return `${code(before, 100)} removed`;
  return before === after ? code(after, 100) : `${code(before, 100)} → ${code(after, 100)}`;
}

/** Bytes for people. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  let value = bytes;
  let at = 0;
  while (value >= 1_024 && at < units.length - 1) {
    value /= 1_024;
    at += 1;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

function base(path: string): string {
  return path.slice("/nix/store/".length);
}
