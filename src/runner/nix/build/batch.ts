import { posix } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Ending, LaunchResult, Workspace } from "../launch.ts";
import { eventReader } from "../log/reader.ts";
import type { Building, WatchOptions } from "./watch.ts";
import { Watch } from "./watch.ts";
import type { BuildLimits } from "./failure.ts";

export interface BatchOptions extends WatchOptions {
  readonly workspace: Workspace;
  readonly drvs: readonly string[];
  /** Builds of this process side by side. */
  readonly jobs: number;
  readonly limits: BuildLimits;
  readonly oomKills: OomKills;
  readonly signal: AbortSignal;
  /** Stands behind Nix's own limits, by this much (ms), and looks this often. */
  readonly clock?: { readonly marginMs: number; readonly tickMs: number };
}

export interface BatchEnd {
  readonly watch: Watch;
  readonly result: LaunchResult;
  /** What Nix was told to hold builds to. */
  readonly limits: BuildLimits;
  /** The build that our own clock ended, and with it the process; the rest of the batch was not tried. */
  readonly ended: Ended | null;
  /** Builds of the batch that the runner itself has ended, by derivation. */
  readonly limited: ReadonlyMap<string, Ending>;
  /** The kernel's out-of-memory killer was at work on this machine meanwhile. */
  readonly memoryRanOut: boolean;
}

export interface Ended {
  readonly build: Building;
  readonly kind: "timed-out" | "silent";
  /** What may have been running at that moment. */
  readonly running: ReturnType<Watch["running"]>;
}

/** How often the kernel's out-of-memory killer has struck since the machine started; null where it does not say. */
export type OomKills = () => Promise<number | null>;

/**
 * Nix's own limits are let go first: they end one build and go on with the others. They do not reach builds on other
 * machines, so our clock stands behind them, this much later (ms).
 */
const CLOCK = { marginMs: 5_000, tickMs: 1_000 } as const;

/** Builds some derivations in one Nix process. */
export async function realise(options: BatchOptions): Promise<BatchEnd> {
  const { workspace, drvs, jobs, limits, signal, now, oomKills, clock = CLOCK } = options;
  const watch = new Watch(options);
  const lines = eventReader((event) => watch.see(event));
  const overdue = new AbortController();
  const killedBefore = await oomKills();
  const endedBefore = await workspace.endings();
  let ended: BatchEnd["ended"] = null;
  const looking = setInterval(() => {
    if (ended !== null) return;
    for (const [kind, since, seconds] of [
      ["timed-out", "startedAt", limits.buildSeconds],
      ["silent", "lastAt", limits.silentSeconds],
    ] as const) {
      const build = watch.overdue(
        (running) => now() - running[since] > seconds * 1_000 + clock.marginMs,
      );
      if (build === null) continue;
      ended = { build, kind, running: watch.running() };
      overdue.abort();
      return;
    }
  }, clock.tickMs);
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
    const killed = await oomKills();
    const memoryRanOut = killedBefore !== null && killed !== null && killed > killedBefore;
    return {
      watch,
      result,
      limits,
      ended,
      limited: await limited(workspace, watch, endedBefore, memoryRanOut),
      memoryRanOut,
    };
  } finally {
    clearInterval(looking);
  }
}

/** A builder may end by itself right after the kernel has killed its child: the runner sees it a moment later (ms). */
const SEEN_WITHIN = 1_000;
const LOOK_EVERY = 50;

async function limited(
  workspace: Workspace,
  watch: Watch,
  before: ReadonlyMap<string, Ending>,
  memoryRanOut: boolean,
): Promise<ReadonlyMap<string, Ending>> {
  const until = performance.now() + (memoryRanOut && watch.findings.size > 0 ? SEEN_WITHIN : 0);
  for (;;) {
    const now = await workspace.endings();
    const found = new Map<string, Ending>();
    for (const drv of now.size > 0 ? watch.builds.keys() : []) {
      const name = posix.basename(drv);
      const ending = now.get(name);
      if (ending !== undefined && ending.id !== before.get(name)?.id) found.set(drv, ending);
    }
    if (found.size > 0 || performance.now() >= until) return found;
    await setTimeout(LOOK_EVERY);
  }
}
