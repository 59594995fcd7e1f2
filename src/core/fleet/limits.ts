/**
 * Attempts that may be lost before the job is given up as `infrastructure`: one is tried again without anybody asking,
 * as is everything that the surroundings fail. A verdict `infrastructure` that a runner tells goes to the Run at once,
 * which gives what is left of the work its second try.
 */
export const MAX_LOSSES = 2;

/** The protocol counts attempts to 1,000; a job that nobody takes ends before. */
export const MAX_ATTEMPTS = 1_000;

/** A preferred runner that declined this often in a row no longer keeps the job from others. */
export const PREFER_DECLINES = 3;

/** Wait after the n-th loss or declined offer in a row (ms): 1, 2, 4 … 60 s. */
export function backoff(times: number): number {
  return Math.min(60_000, 1_000 * 2 ** Math.min(times - 1, 10));
}

/**
 * So long (ms) a runner that holds a deploy may be away before the machine is looked at without it. Its watchdog ends
 * whatever was begun there; see `DeployLimits`.
 */
export const AWAY = 15 * 60_000;

/** A job that nobody takes ends after this long (ms): its runners are gone, and a person has to know. */
export const WAITS = 24 * 60 * 60_000;
