import { code } from "./escape.ts";
import type { Flaky, Told } from "./model.ts";

/** On the check of a failure: what its past says about it. Empty where it says nothing. */
export function past(flaky: Flaky | null): string {
  if (flaky === null) return "";
  const { proof, times } = flaky;
  if (proof === null)
    return `**Known to be flaky:** ${derivations(times)} of this attribute failed and passed in the last 30 days. This one has only failed so far; re-run the check to see whether it passes.\n`;
  return `**Flaky:** this very derivation has passed before, so what it was built from did not change: ${both(proof)}. ${rate(proof)} Re-run the check to try it again.\n`;
}

/** For an aggregate: lines, the first one says what it is about. */
export function flakyLines({ total, list }: { total: number; list: readonly Flaky[] }): string[] {
  const proven = list.flatMap(({ name, proof, times }) =>
    proof === null
      ? []
      : [
          `- ${code(name)}: ${both(proof)}. ${rate(proof)}${times > 1 ? ` ${derivations(times)} of it were flaky in the last 30 days.` : ""}\n`,
        ],
  );
  if (proven.length === 0) return [];
  const left = total - proven.length;
  return [
    `**${total} flaky.** The same derivation failed and passed: what it was built from did not change. A pass counts all the same.\n\n`,
    ...proven,
    ...(left > 0 ? [`- and ${left} more\n`] : []),
    "\n",
  ];
}

function both({ failed, passed }: { failed: Told; passed: Told }): string {
  return `[failed](${failed.url}) in run ${code(failed.run)}, [passed](${passed.url}) in run ${code(passed.run)}`;
}

function rate({ failures, passes }: { failures: number; passes: number }): string {
  return `It failed in ${failures} of ${failures + passes} builds.`;
}

function derivations(count: number): string {
  return `${count} ${count === 1 ? "derivation" : "derivations"}`;
}
