import type { LaunchResult, Workspace } from "../launch.ts";
import { parseLogLine } from "../log/event.ts";
import { lineSplitter } from "../log/lines.ts";
import type { Building, WatchOptions } from "./watch.ts";
import { Watch } from "./watch.ts";
import type { BuildLimits } from "./failure.ts";

export interface BatchOptions extends WatchOptions {
  readonly workspace: Workspace;
  readonly drvs: readonly string[];
  /** Builds of this process side by side. */
  readonly jobs: number;
  readonly limits: BuildLimits;
  readonly signal: AbortSignal;
}

export interface BatchEnd {
  readonly watch: Watch;
  readonly result: LaunchResult;
  /** The build that our own clock ended, and with it the process; the rest of the batch was not tried. */
  readonly ended: { readonly build: Building; readonly kind: "timed-out" | "silent" } | null;
}

/**
 * Nix's own limits are let go first: they end one build and go on with the others. They do not reach builds on other
 * machines, so our clock stands behind them, this much later (ms).
 */
const CLOCK_MARGIN = 5_000;
/** How often the clock looks (ms). */
const CLOCK_TICK = 1_000;

/** Builds some derivations in one Nix process. */
export async function realise(options: BatchOptions): Promise<BatchEnd> {
  const { workspace, drvs, jobs, limits, signal, now } = options;
  const watch = new Watch(options);
  const lines = lineSplitter((line) => watch.see(parseLogLine(line)));
  const overdue = new AbortController();
  let ended: BatchEnd["ended"] = null;
  const clock = setInterval(() => {
    if (ended !== null) return;
    for (const [kind, since, seconds] of [
      ["timed-out", "startedAt", limits.buildSeconds],
      ["silent", "lastAt", limits.silentSeconds],
    ] as const) {
      const build = watch.overdue(
        (running) => now() - running[since] > seconds * 1_000 + CLOCK_MARGIN,
      );
      if (build === null) continue;
      ended = { build, kind };
      overdue.abort();
      return;
    }
  }, CLOCK_TICK);
  try {
    const result = await workspace.launch({
      argv: [
        "nix-store",
        "--realise",
        "--keep-going",
        "--max-jobs",
        String(jobs),
        "--timeout",
        String(Math.ceil(limits.buildSeconds)),
        "--max-silent-time",
        String(Math.ceil(limits.silentSeconds)),
        "--log-format",
        "internal-json",
        "-v",
        ...drvs,
      ],
      network: "none",
      signal: AbortSignal.any([signal, overdue.signal]),
      // Output paths; nobody reads them.
      maxOutput: 4_096,
      onStderr: (chunk) => lines.push(chunk),
    });
    lines.end();
    return { watch, result, ended };
  } finally {
    clearInterval(clock);
  }
}
