import type { FleetRunner } from "./job.ts";
import { lacks, type Wanted } from "./match.ts";

/** Where a job may go whose results are for machines. */
export type Route =
  | { kind: "routed"; machines: readonly string[]; exchange: string | null }
  | { kind: "nowhere"; missing: string[] };

/**
 * What is built for machines must reach the runners that may change them. A runner that may change all of them needs nobody;
 * else those that may change some have to share an exchange. Where neither is so, nothing may begin: a deploy would end in the
 * middle, with what is built on the wrong runner.
 *
 * @param near host keys of the machines; none leaves the job free.
 * @param exchange what the job would pass closures through anyway.
 */
export function route(
  wanted: Omit<Wanted, "machines">,
  near: readonly string[],
  exchange: string | null,
  runners: readonly FleetRunner[],
): Route {
  if (near.length === 0) return { kind: "routed", machines: [], exchange };
  const { pool, repository } = wanted;
  const may = (runner: FleetRunner, machines: readonly string[]) =>
    lacks({ pool, repository, system: null, features: [], machines }, runner).length === 0;
  const whole = runners.filter((runner) => may(runner, near));
  const able = whole.filter((runner) => lacks(wanted, runner).length === 0);
  if (able.length > 0) return { kind: "routed", machines: near, exchange };
  // Who may change them cannot build for them, or nobody may change all.
  const parts =
    whole.length > 0 ? whole : runners.filter((one) => near.some((key) => may(one, [key])));
  const left = near.filter((key) => !parts.some((runner) => may(runner, [key])));
  const [shared = null, ...others] = new Set(parts.map((runner) => runner.exchange));
  if (left.length === 0 && shared !== null && others.length === 0)
    return { kind: "routed", machines: [], exchange: shared };
  // The job says itself what it lacks.
  if (whole.length > 0 || left.length > 0) return { kind: "routed", machines: near, exchange };
  return { kind: "nowhere", missing: [SEVERAL] };
}

const SEVERAL =
  "one deploy runner whose own policy names all of these machines, or an exchange that theirs share: else name the machines of one runner at a time";
