import { summaryOf } from "./bounded.ts";
import { code, line } from "./escape.ts";
import type { CheckBody } from "./model.ts";

/**
 * The check of a root cause after another run of the same commit has succeeded. What was said of it, and the way to its
 * log, stay.
 *
 * @param said as it was, with the page of its run
 * @param by the run that succeeded, and its page
 */
export function againCheck(
  said: Pick<CheckBody, "title" | "summary"> & { url: string },
  by: { run: string; url: string },
): Pick<CheckBody, "conclusion" | "title" | "summary" | "actions"> {
  return {
    conclusion: "success",
    title: line(`judged again by run ${by.run}, which succeeded`),
    summary: summaryOf(
      [
        `Judged again by [run ${by.run}](${by.url}): everything that it requires of this commit succeeded. What failed before:\n\n`,
        `${code(said.title)}\n\n`,
        said.summary,
      ],
      said.url,
    ),
    actions: [],
  };
}
