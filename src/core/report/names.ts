import { line } from "./escape.ts";

/** Names of the check runs. They are what people require in branch protection, and never change. */
export const OVERALL = "snowcat";
export const EVALUATION = "snowcat / evaluation";
export const BUILD = "snowcat / build";

/** Check runs for root causes; what is beyond is in the aggregates only. */
export const CAUSE_CAP = 40;

/** Whether it is one of the checks that always come, which have a reserved part of every budget. */
export function isAggregate(name: string): boolean {
  return name === OVERALL || name === EVALUATION || name === BUILD;
}

/**
 * Name of a root cause's check. Whatever the attribute is called, it does not take the name of an aggregate or of
 * another cause (`taken`).
 */
export function causeName(label: string, id: string, taken: ReadonlySet<string>): string {
  const name = `${OVERALL} / ${line(label, 120)}`;
  if (!isAggregate(name) && !taken.has(name)) return name;
  const other = `${name} (${line(id, 40)})`;
  if (!taken.has(other)) return other;
  for (let n = 2; ; n += 1) if (!taken.has(`${other} ${n}`)) return `${other} ${n}`;
}
