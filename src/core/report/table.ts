import { code } from "./escape.ts";
import type { Listed } from "./model.ts";
import { duration } from "./time.ts";
import { brief } from "./verdict.ts";

/** Markdown table of attributes, what needs reading first at the top, a part for each line; `bounded` joins them. */
export function* table(attributes: readonly Listed[]): Iterable<string> {
  let first = true;
  for (const { name, system, required, verdict, seconds, flaky } of urgentFirst(attributes)) {
    const head = first
      ? "| attribute | system | required | verdict | time |\n|---|---|---|---|---|\n"
      : "";
    first = false;
    yield `${head}| ${code(name)} | ${system === null ? "" : code(system)} | ${required ? "yes" : "no"} | ${verdict === null ? "pending" : brief(verdict)}${flaky === true ? ", flaky" : ""} | ${seconds > 0 ? duration(seconds) : ""} |\n`;
  }
}

function urgentFirst(attributes: readonly Listed[]): Listed[] {
  return attributes.toSorted((a, b) => urgency(a) - urgency(b));
}

/**
 * Required first: what failed itself, what was not tried because of that, what is open; then what is not required and
 * not well; what is flaky before what is simply well.
 */
function urgency({ required, verdict, flaky }: Listed): number {
  if (verdict === null) return required ? 2 : 6;
  if (verdict.kind === "succeeded" || verdict.kind === "evaluated-only")
    return flaky === true ? 4 : required ? 5 : 6;
  if (!required) return 3;
  return verdict.kind === "dependency-failed" ? 1 : 0;
}
