import { mkdir, rm } from "node:fs/promises";
import { totalmem } from "node:os";
import type { Accounts } from "../accounts.ts";
import type { BuildsConfiguration } from "../configuration.ts";
import type { Cgroups } from "../launcher/cgroup.ts";
import type { Layout } from "../layout.ts";
import { Guard } from "./guard.ts";

export { type BuildEnding, readEndings } from "./endings.ts";

export type BuildsOptions = {
  readonly paths: Layout;
  readonly plan: Accounts;
  readonly limits: BuildsConfiguration;
  readonly cgroups: Cgroups;
  readonly log: (line: string) => void;
};

/** What holds for builders before the first one starts. */
export type Builds = {
  /** cgroup files that the daemon joins before it becomes the daemon. */
  readonly joinFiles: readonly string[];
  /** prlimit's options for the daemon, which its builders inherit. */
  readonly resourceLimits: readonly string[];
  /** For people. */
  readonly describe: string;
  /** Ends the daemon and every build. */
  close(): Promise<void>;
};

/** Prepares the limits of builds. The processes of one build are counted by its user, at once and everywhere. */
export async function openBuilds(options: BuildsOptions): Promise<Builds> {
  const { paths, plan, cgroups, log } = options;
  const limits = {
    ...options.limits,
    memoryBytes: options.limits.memoryBytes ?? Math.floor((totalmem() * 3) / 4),
    allMemoryBytes: options.limits.allMemoryBytes ?? Math.floor((totalmem() * 7) / 8),
  };
  await rm(paths.endings, { recursive: true, force: true });
  await mkdir(paths.endings, { mode: 0o755 });
  const processes = `--nproc=${limits.processes}`;
  if (cgroups.kind === "none")
    return {
      joinFiles: [],
      // For each process by itself: the best there is without cgroups.
      resourceLimits: [processes, `--as=${limits.memoryBytes}`],
      describe: `${limits.processes} processes; memory for each process alone and no watch on the disk (${cgroups.reason})`,
      close: async () => {},
    };
  await cgroups.create("builds", { memoryBytes: limits.allMemoryBytes });
  // Apart from the builds: it must not be what the kernel takes when they have used up theirs.
  const daemon = await cgroups.create("daemon", {});
  const guard = new Guard({
    paths,
    plan,
    limits,
    daemon,
    open: (uid) => cgroups.create(`builds/${uid}`, { memoryBytes: limits.memoryBytes }),
    log,
  });
  return {
    joinFiles: daemon.joinFiles,
    resourceLimits: [processes],
    describe: `${limits.processes} processes and ${limits.memoryBytes} bytes of memory for a build, ${limits.allMemoryBytes} for all, ${limits.freeBytes} left on the disk`,
    close: () => guard.close(),
  };
}
