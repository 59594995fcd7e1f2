import type { ToolEnd } from "../method.ts";
import type { Traffic } from "./gate.ts";

/** Objects that are named in a reason at most. */
const NAMED = 16;

/**
 * What is wrong with a run of a deployment program, by what the cluster answered it; empty: nothing. Its exit code counts
 * only when it is bad: `set -e` is not everywhere, and the last command of a pipe speaks for all.
 */
export function faultsOf(end: ToolEnd, { written, deleted, refused }: Traffic): string[] {
  const failed = [...written].filter(([, { status }]) => status === 0 || status >= 400);
  const kept = [...deleted].filter(
    ([, { status }]) => status === 0 || (status >= 400 && status !== 404),
  );
  return [
    ...(end.timedOut ? ["it was over its time limit"] : []),
    ...(end.exitCode === 0 || end.timedOut
      ? []
      : [`it ${end.exitCode === null ? "was ended by a signal" : `exited with ${end.exitCode}`}`]),
    ...(end.skipped === undefined ? [] : [`it passed the cluster over: ${end.skipped}`]),
    ...refused,
    ...named(
      "the cluster refused",
      failed.map(([object, { why }]) => `${object} (${why})`),
    ),
    ...named(
      "not deleted",
      kept.map(([object]) => object),
    ),
  ];
}

/** Objects that a dry run wrote, and the run after it has not even asked about. */
export function passedOver(dry: Traffic, real: Traffic): string[] {
  const missed = [...dry.written.keys()].filter(
    (object) =>
      !object.endsWith("…") &&
      !real.written.has(object) &&
      // What is as it should be is looked at by name, and left alone (`kubectl apply`).
      !real.read.has(object),
  );
  return named("passed over, though the dry run showed them", missed);
}

/** What a run would delete for good: what it deletes and writes anew (hooks) is there again afterwards. */
export function prunedBy({ deleted, written }: Traffic): string[] {
  return [...deleted.keys()].filter((object) => !written.has(object));
}

/** `what: a, b, …`, or nothing. */
export function named(what: string, objects: readonly string[]): string[] {
  if (objects.length === 0) return [];
  const more = objects.length > NAMED ? `, and ${objects.length - NAMED} more` : "";
  return [`${what}: ${objects.slice(0, NAMED).join(", ")}${more}`];
}
