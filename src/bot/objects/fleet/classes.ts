import type { FleetRunner } from "../../../core/fleet/index.ts";
import type { Pool } from "../../../protocol/identifiers.ts";
import type { RunnerClass } from "../contracts.ts";
import type { Enrolled } from "./runners.ts";

/** The classes of a pool that may serve the repository, each with what its runners have together. */
export function classesOf(
  runners: readonly (FleetRunner & Pick<Enrolled, "evaluator">)[],
  pool: Pool,
  repository: number,
): RunnerClass[] {
  const fitting = runners.filter(
    (each) =>
      each.pool === pool && (each.repositories === null || each.repositories.includes(repository)),
  );
  return [...Map.groupBy(fitting, (each) => each.class)].map(([name, members]) => ({
    class: name,
    pool,
    systems: union(members.map((each) => each.systems ?? [])),
    features: union(members.map((each) => each.features)),
    evaluators: union(members.map(({ evaluator }) => (evaluator == null ? [] : [evaluator]))),
    online: members.filter((each) => each.online).length,
    repositories: members.some((each) => each.repositories === null)
      ? null
      : union(members.map((each) => each.repositories ?? [])),
  }));
}

function union<T extends string | number>(lists: readonly (readonly T[])[]): T[] {
  return [...new Set(lists.flat())].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
