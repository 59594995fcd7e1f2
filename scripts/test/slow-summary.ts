import type { PartEnd } from "./part.ts";

/** What `npm run test:slow` prints at its end; the last line is `N passed, N failed, N skipped` of what gates. */
export function slowSummary(
  ends: readonly PartEnd[],
  notRun: readonly string[],
  seconds: number,
): string {
  const gating = ends.filter(({ part }) => part.kind === "gating");
  const sum = (key: "passed" | "failed" | "skipped"): number =>
    gating.reduce((all, end) => all + end[key], 0);
  return [
    ...notRun.map((line) => `not run: ${line}`),
    ...ends.map(({ part, passed, failed, skipped }) =>
      part.kind === "gating"
        ? `${part.title}: ${passed} passed, ${failed} failed, ${skipped} skipped`
        : `reported: ${passed} passed, ${failed} failed on ${part.title}`,
    ),
    `${seconds.toFixed(1)} seconds`,
    `${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`,
  ].join("\n");
}
