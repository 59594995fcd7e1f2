import { describeLaunch } from "../launch.ts";
import { shorten } from "../log/clean.ts";
import type { BatchEnd } from "./batch.ts";
import { DISK_FULL } from "./classify.ts";
import type { Cause } from "./failure.ts";

/** What the end of a batch says about the derivations that it was to build and that are not there. */
export interface Outcome {
  /** These failed: they are not tried again. */
  readonly failed: ReadonlyMap<string, Cause>;
  /** The process was stopped for another's sake before these came to an end. */
  readonly again: readonly string[];
  /** Nothing says why: the machinery may be at fault. */
  readonly unexplained: readonly string[];
}

/**
 * @param given the derivations that the process was asked for.
 * @param missing whether its outputs are not there.
 * @param lacks whether this machine lacks what it takes.
 *
 * A derivation whose builder ran to its end and left no outputs has failed, whether Nix had the time to tell or not.
 * So nothing that failed is ever built again; what was stopped may be: by our clock, or by Nix for another's sake.
 */
export function outcome(
  end: BatchEnd,
  given: readonly string[],
  missing: (drv: string) => boolean,
  lacks: (drv: string) => boolean,
): Outcome {
  const { watch, result, ended } = end;
  const failed = new Map<string, Cause>();
  const again: string[] = [];
  const unexplained: string[] = [];
  for (const { drv, cause } of watch.findings.values()) {
    // A builder can print what looks like a message about another one, which was not even started. What no machine may
    // start is believed where that is known to be so, or where no builder ran that could have said it.
    const own =
      cause.kind === "no-runner"
        ? !watch.builds.has(drv) && (lacks(drv) || watch.builds.size === 0)
        : watch.builds.has(drv);
    if (own && missing(drv)) failed.set(drv, witnessed(cause, end));
  }
  // The runner knows what it has ended, whatever the builder or Nix made of it.
  for (const [drv, { kind, limitBytes, said }] of end.limited) {
    if (missing(drv))
      failed.set(drv, kind === "out-of-memory" ? { kind, limitBytes, said } : { kind, said });
  }
  if (ended !== null && missing(ended.build.drv)) failed.set(ended.build.drv, { kind: ended.kind });
  const aborted = [...watch.findings.values()].some(
    ({ drv, aborts }) => aborts === true && failed.has(drv),
  );
  const toTheEnd = watch.machinery === null && result.exitCode !== null && ended === null;
  for (const { drv, endedAt } of watch.builds.values()) {
    if (!missing(drv) || failed.has(drv)) continue;
    if (ended !== null) {
      if (!ended.running.drvs.has(drv)) failed.set(drv, untold(end, drv));
      else if (ended.running.certain) again.push(drv);
      else failed.set(drv, undecided(ended.build.drv));
    } else if (aborted) again.push(drv);
    else if (toTheEnd || endedAt !== null) failed.set(drv, untold(end, drv));
    else unexplained.push(drv);
  }
  const interrupted = ended !== null || (toTheEnd && failed.size > 0);
  for (const drv of given) {
    if (!missing(drv) || failed.has(drv) || watch.builds.has(drv)) continue;
    (interrupted ? again : unexplained).push(drv);
  }
  return { failed, again, unexplained };
}

/** Signal 9 is nobody's signature. The kernel counts what it kills for want of memory; only with that it is believed. */
function witnessed(cause: Cause, { memoryRanOut }: BatchEnd): Cause {
  return cause.kind === "failed" && cause.signal === 9 && memoryRanOut
    ? { kind: "out-of-memory" }
    : cause;
}

/** Of Nix 2.34, which says neither which build it ended nor whether for its silence. */
const TIMED_OUT = /^(?:error: )?timed out after [0-9]+ seconds$/mu;
/** Nix looks at its clock once in a second or so, and ours starts when its message arrives (ms). */
const CLOCK_SKEW = 1_000;

/** Nix ended a build and does not say which: what our own clock says of this one, or null when it fits neither limit. */
function overtime({ watch, limits }: BatchEnd, drv: string): Cause | null {
  const build = watch.builds.get(drv);
  if (build === undefined || build.endedAt === null || !TIMED_OUT.test(watch.errors.toString()))
    return null;
  const over = (since: number, seconds: number): boolean =>
    (build.endedAt ?? 0) - since >= seconds * 1_000 - CLOCK_SKEW;
  if (over(build.lastAt, limits.silentSeconds) && !over(build.startedAt, limits.buildSeconds))
    return { kind: "silent" };
  return over(build.startedAt, limits.buildSeconds) ? { kind: "timed-out" } : null;
}

/** It ended, and no message names it: what Nix complained of without naming anybody is the best there is. */
function untold(end: BatchEnd, drv: string): Cause {
  const { watch, ended } = end;
  const late = overtime(end, drv);
  if (late !== null) return late;
  const errors = watch.errors.toString();
  const tail = watch.builds.get(drv)?.tail.toString() ?? "";
  if (DISK_FULL.test(errors) || DISK_FULL.test(tail)) return { kind: "out-of-disk" };
  const said =
    ended !== null
      ? `it ended without its outputs; its exit code is not known, because Nix was stopped for ${ended.build.drv} before it told`
      : errors || "it ended without its outputs, and Nix does not say why";
  return { kind: "failed", exitCode: null, said: shorten(said, 8_192) };
}

function undecided(culprit: string): Cause {
  return {
    kind: "infrastructure",
    message: `Nix was stopped for ${culprit}, which passed its limit on a machine that does not end it by itself. Whether this build had failed by then is not known, and what may have failed is not built again.`,
  };
}

/** The verdict's words for what failed twice for no reason that anybody gives. */
export function unexplainedCause({ watch, result }: BatchEnd): Cause {
  const said =
    watch.machinery ?? (watch.errors.toString() || `nix-store ${describeLaunch(result)}`);
  return {
    kind: "infrastructure",
    message: shorten(`tried twice, and nothing says why it was not built: ${said}`, 16_384),
  };
}
