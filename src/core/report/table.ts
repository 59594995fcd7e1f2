import { code } from "./escape.ts";
import type { Listed } from "./model.ts";
import { brief } from "./verdict.ts";

/** Markdown table of attributes, a part for each line; `bounded` joins them. */
export function* table(attributes: Iterable<Listed>): Iterable<string> {
  let first = true;
  for (const { name, system, required, verdict, seconds } of attributes) {
    const head = first
      ? "| attribute | system | required | verdict | time |\n|---|---|---|---|---|\n"
      : "";
    first = false;
    yield `${head}| ${code(name)} | ${system === null ? "" : code(system)} | ${required ? "yes" : "no"} | ${verdict === null ? "pending" : brief(verdict)} | ${time(seconds)} |\n`;
  }
}

function time(seconds: number): string {
  return seconds > 0 ? `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : "";
}
