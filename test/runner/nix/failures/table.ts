import { join } from "node:path";
import type { RecordedFailure } from "./recording.ts";
import { classified } from "./replay.ts";

export const TABLE = join(import.meta.dirname, "TABLE.md");

/** Case × expected × got on each version and way; `–` where it was not recorded. */
export async function tableOf(recorded: ReadonlyMap<string, RecordedFailure>): Promise<string> {
  const columns = ["2.8", "2.26", "2.34"].flatMap((version) =>
    (["daemon", "direct"] as const).map((through) => ({ version, through })),
  );
  const rows: string[] = [];
  let right = 0;
  let all = 0;
  for (const [name, failure] of recorded) {
    const cells: string[] = [];
    for (const { version, through } of columns) {
      const recording = failure.recordings.find(
        (one) => one.nix.startsWith(`${version}.`) && one.through === through,
      );
      if (recording === undefined) {
        cells.push("–");
        continue;
      }
      const got = await classified(failure, recording);
      all += 1;
      if (got === failure.expected) right += 1;
      cells.push(got === failure.expected ? "same" : `**${got}**`);
    }
    rows.push(`| ${name} | ${failure.expected} | ${cells.join(" | ")} |`);
  }
  const heads = columns.map(({ version, through }) => `${version} ${through}`);
  return [
    "# Recorded failures of Nix, and what the runner makes of them",
    "",
    `${recorded.size} failures, ${all} recordings, ${right} read as expected. The texts are in [recorded](recorded), as Nix printed`,
    "them; [main.ts](main.ts) makes them, `failures.test.ts` reads them. A column is a version of Nix, through the daemon",
    "and without; “same” is the expected kind, “–” was not recorded (it cannot fail so there, or is the same text).",
    "",
    `| failure | expected | ${heads.join(" | ")} |`,
    `|${" --- |".repeat(columns.length + 2)}`,
    ...rows,
    "",
  ].join("\n");
}
