import type { LogPlace } from "../../../core/flakiness/index.ts";
import { runOf } from "../../../protocol/identifiers.ts";

/** The page of a run. */
export function pageOf(url: string, run: string): string {
  return `${url.replace(/\/+$/u, "")}/runs/${run}`;
}

/** The page of a log, of whichever run. */
export function logPage(url: string, { job, attempt, stream }: LogPlace): string {
  return `${pageOf(url, runOf(job))}/logs/${job}/${attempt}/${encodeURIComponent(stream)}`;
}
