import { writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import type { Accounts } from "../accounts.ts";
import type { BuildsConfiguration } from "../configuration.ts";
import type { RunCgroup } from "../launcher/cgroup.ts";
import { userOf } from "../launcher/jobs.ts";
import type { Layout } from "../layout.ts";
import { Astray, inAll } from "./astray.ts";
import { shortOf, written } from "./disk.ts";
import { type BuildEnding, tellEnding } from "./endings.ts";
import { derivationOf, isFirst, kill, members } from "./processes.ts";

/** How often is looked (ms). What a builder takes before it is seen counts in the limit of all builds together. */
const LOOK_EVERY = 200;
/** How often the same is killed in a row against what forks meanwhile. */
const PASSES = 20;
/** How often one look sorts new processes. */
const SORTS = 3;
/** A build that has written less than this is not what filled the disk. */
const LEAST = { bytes: 64 * 1_024 ** 2, files: 1_000 } as const;
/** After a build was ended for the disk, Nix removes what it wrote; the next is ended no sooner (ms). */
const REMOVED_WITHIN = 10_000;

/** A build user at work. */
type Build = {
  readonly uid: number;
  readonly group: RunCgroup;
  /** Null until it is in its sandbox. */
  drv: string | null;
  kills: number;
  /** The kernel has killed for want of memory in its group. */
  ended: boolean;
};

export type GuardOptions = {
  readonly paths: Layout;
  readonly plan: Accounts;
  readonly limits: BuildsConfiguration & { memoryBytes: number; allMemoryBytes: number };
  /** In it are the daemon and whatever it has just started. */
  readonly daemon: RunCgroup;
  /** Makes the group of one build user, with its limit. */
  readonly open: (uid: number) => Promise<RunCgroup>;
  readonly log: (line: string) => void;
};

/**
 * Holds builders, which are the daemon's children and not a job's, to what one build may take. Each build user at work
 * gets a cgroup; one that ran out of memory is ended as a whole; when the disk runs full, the build that has written most
 * is ended. Why is told before the kill.
 */
export class Guard {
  readonly #options: GuardOptions;
  readonly #buildUsers: ReadonlySet<number>;
  readonly #builds = new Map<number, Build>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  /** By user and derivation. */
  readonly #astray = new Astray();
  #quietUntil = 0;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#buildUsers = new Set(options.plan.buildUsers);
    this.#ended = this.#run();
  }

  /** Ends the daemon, so that it starts none any more, then every build. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    const { daemon } = this.#options;
    for (const group of [daemon, ...[...this.#builds.values()].map((build) => build.group)])
      await killAll(group);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        this.#options.log(`builds: ${error instanceof Error ? error.message : String(error)}`);
      }
      await setTimeout(LOOK_EVERY, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    await this.#sortAll();
    let working = false;
    for (const build of this.#builds.values()) {
      const pids = await members(procs(build.group));
      working ||= pids.length > 0;
      for (const pid of pids) build.drv ??= await derivationOf(pid);
      const kills = await build.group.outOfMemoryKills();
      if (kills > build.kills) {
        build.kills = kills;
        build.ended = true;
        await this.#end(build, await this.#outOfMemory(build));
      }
      if (pids.length > 0) continue;
      build.drv = null;
      // The user's next build goes on with the group, unless the most that this one held would be taken for its own.
      if (!build.ended) continue;
      this.#builds.delete(build.uid);
      await build.group.remove();
    }
    if (working) await this.#watchDisk();
  }

  /** New builders come all the time and are sorted at the next look at the latest. What forks away from that is ended. */
  async #sortAll(): Promise<void> {
    const passes: Set<string>[] = [];
    while (passes.length < SORTS && (passes.length === 0 || inAll(passes).size > 0)) {
      const seen = new Set<string>();
      for (const pid of await members(procs(this.#options.daemon))) {
        const build = await this.#sort(pid);
        if (build?.drv != null) seen.add(`${build.uid} ${build.drv}`);
      }
      passes.push(seen);
    }
    for (const key of this.#astray.look(passes)) {
      const build = this.#builds.get(Number.parseInt(key, 10));
      if (build === undefined) continue;
      this.#options.log(`builds: ${build.drv ?? build.uid} forks away from its limits; ending it`);
      await killAll(build.group);
    }
  }

  /** A new process that is a builder's goes to that build's group; what it starts from then on is there already. */
  async #sort(pid: number): Promise<Build | null> {
    const uid = await userOf(pid);
    if (uid === null || !this.#buildUsers.has(uid)) return null;
    const build = await this.#buildOf(uid);
    // Perhaps the user's next build already.
    build.drv = await derivationOf(pid);
    for (const file of build.group.joinFiles)
      await writeFile(file, String(pid)).catch((error: unknown) => {
        // It may have ended meanwhile.
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      });
    return build;
  }

  async #buildOf(uid: number): Promise<Build> {
    const known = this.#builds.get(uid);
    if (known !== undefined) return known;
    const build = { uid, group: await this.#options.open(uid), drv: null, kills: 0, ended: false };
    this.#builds.set(uid, build);
    return build;
  }

  async #outOfMemory({ group }: Build): Promise<Omit<BuildEnding, "id">> {
    const { memoryBytes, allMemoryBytes } = this.#options.limits;
    const own = ((await group.peakBytes()) ?? memoryBytes) >= 0.95 * memoryBytes;
    const limitBytes = own ? memoryBytes : allMemoryBytes;
    return {
      kind: "out-of-memory",
      limitBytes,
      said: `[snowcat: ended, because ${own ? "it" : "all builds of this runner together"} used more than ${gibibytes(limitBytes)} of memory, and it most]`,
    };
  }

  async #watchDisk(): Promise<void> {
    const { paths, limits, log } = this.#options;
    const what = await shortOf(paths.root, limits.freeBytes);
    if (what === null || performance.now() < this.#quietUntil) return;
    const sizes = await Promise.all(
      [...this.#builds.values()].map(async (build) => ({
        build,
        size: await written(paths, build, what),
      })),
    );
    const [most] = sizes.toSorted((a, b) => b.size - a.size);
    if (most === undefined || most.size < LEAST[what]) return;
    this.#quietUntil = performance.now() + REMOVED_WITHIN;
    log(`builds: the disk runs full; ending ${most.build.drv ?? `those of ${most.build.uid}`}`);
    await this.#end(most.build, {
      kind: "out-of-disk",
      limitBytes: limits.freeBytes,
      said:
        what === "bytes"
          ? `[snowcat: ended, because less than ${gibibytes(limits.freeBytes)} was left on the runner's disk, and this build had written most: ${gibibytes(most.size)}]`
          : "[snowcat: ended, because the runner's file system has hardly an inode left, and this build had made most files]",
    });
  }

  async #end(build: Build, ending: Omit<BuildEnding, "id">): Promise<void> {
    if (build.drv !== null) await tellEnding(this.#options.paths.endings, build.drv, ending);
    else this.#options.log(`builds: ended one that was not in its sandbox yet: ${ending.said}`);
    await killAll(build.group);
  }
}

/**
 * First the builder itself, which is the first process of its pid namespace: with it the kernel ends all in there, however
 * fast they fork. Then what is left, again and again; what is left then is seen at the next look.
 */
async function killAll(group: RunCgroup): Promise<void> {
  for (let pass = 0; pass < PASSES; pass += 1) {
    const pids = await members(procs(group));
    if (pids.length === 0) return;
    for (const pid of pids) if (await isFirst(pid)) kill(pid);
    for (const pid of pids) kill(pid);
  }
}

function procs(group: RunCgroup): string {
  const [file] = group.joinFiles;
  if (file === undefined) throw new Error("a cgroup has no cgroup.procs");
  return file;
}

function gibibytes(bytes: number): string {
  return Number.isFinite(bytes) ? `${(bytes / 1_024 ** 3).toFixed(2)} GiB` : "too much to measure";
}
