import { type Conclusion, conclusion } from "../verdict/index.ts";

/** A run that is over has had its last word by then (ms); one that is not there never speaks. */
export const ORPHANED_AFTER = 20 * 60_000;

/** What is known of a run whose check still turns. Null: nothing, its object is empty. */
export type KnownRun = {
  finishedAt: number | null;
  conclusion: string | null;
} | null;

/** What an orphaned check is closed with. */
export type Closing = { conclusion: Conclusion; title: string; summary: string };

const CONCLUSIONS: readonly string[] = [
  "success",
  "failure",
  "cancelled",
  "timed_out",
  "action_required",
] satisfies Conclusion[];

/**
 * The truth about a check that turns although nobody works on it. Null while somebody may: the run is not over, or only
 * just. Whatever is not known to have succeeded does not pass.
 */
export function closing(run: KnownRun, now: number): Closing | null {
  if (run === null)
    return {
      conclusion: conclusion("infrastructure", true),
      title: "Snowcat has lost this run",
      summary:
        "Nothing of the run is there any more, so nobody knows how it would have ended. Ask for it again: “Re-run”, or a new push.",
    };
  if (run.finishedAt === null || now - run.finishedAt < ORPHANED_AFTER) return null;
  const known = CONCLUSIONS.includes(run.conclusion ?? "");
  return {
    conclusion: known ? (run.conclusion as Conclusion) : conclusion("infrastructure", true),
    title: known ? `The run is over: ${run.conclusion}` : "The run is over",
    summary:
      "This check was left open although its run had ended; it says what the whole run came to. The run's page has the rest.",
  };
}
