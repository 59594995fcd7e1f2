import { type JobId, runOf } from "../../protocol/identifiers.ts";
import type { LogPlace } from "../flakiness/index.ts";
import type { LogOf } from "./rows.ts";

/** A place in another run's words, as an attribute of this one keeps it. */
export function logOf({ job, attempt, stream }: LogPlace): LogOf {
  return { run: runOf(job), job: Number(job.slice(job.lastIndexOf(".") + 1)), attempt, stream };
}

/** An attribute's log, for those outside of the run `own`. */
export function placeOf({ run, job, attempt, stream }: LogOf, own: string): LogPlace {
  const id: JobId = `${run ?? own}.${job}`;
  return { job: id, attempt, stream };
}
