/** What `npm test` prints at the end. Pure. */

export interface Skipped {
  readonly test: string;
  /** As given to `context.skip(reason)`. */
  readonly reason: string | undefined;
}

export interface MissingTool {
  readonly name: string;
  readonly package: string;
  readonly why: string;
}

export interface Outcome {
  readonly passed: number;
  /** Failed tests, files that could not be loaded, and errors outside any test. */
  readonly failed: number;
  readonly skipped: readonly Skipped[];
  readonly missing: readonly MissingTool[];
  readonly seconds: number;
}

/**
 * A suite cannot be given a reason as a test can: it carries it in its name, `… (skipped: reason)`.
 *
 * @param note as given to `context.skip(reason)`
 */
export function skippedTest(name: string, note: string | undefined): Skipped {
  const [suffix, reason] = / \(skipped: ([^)]*)\)/u.exec(name) ?? [];
  return suffix === undefined || note !== undefined
    ? { test: name, reason: note }
    : { test: name.replace(suffix, ""), reason };
}

/** The last line stands alone: `N passed, N failed, N skipped`. */
export function summary({ passed, failed, skipped, missing, seconds }: Outcome): string {
  const lines: string[] = [];
  for (const tool of missing) {
    lines.push(`not available: ${tool.name} (Debian: ${tool.package}), which ${tool.why}`);
  }
  const reasons = Map.groupBy(skipped, ({ reason }) => reason ?? "no reason given");
  for (const [reason, tests] of reasons) {
    lines.push(`skipped, ${reason}:`, ...tests.map(({ test }) => `  ${test}`));
  }
  lines.push(`${seconds.toFixed(1)} seconds`);
  lines.push(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  return lines.join("\n");
}
