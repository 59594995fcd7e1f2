import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Limits } from "./request.ts";

/** The cgroup of one run. */
export interface RunCgroup {
  /** Files that a process writes `0` to in order to join, before it becomes the job. */
  readonly joinFiles: readonly string[];
  outOfMemory(): Promise<boolean>;
  /** How many of its processes the kernel has killed for want of memory. */
  outOfMemoryKills(): Promise<number>;
  /** Most memory (bytes) that it held at once, page cache included; null where the kernel does not keep it (v2 before Linux 5.19). */
  peakBytes(): Promise<number | null>;
  remove(): Promise<void>;
}

/** Where runs get their cgroups, or why there are none. */
export type Cgroups =
  | {
      readonly kind: "v1" | "v2";
      /** `name` may have a parent that was made before: `a/b`. What is in `a/b` counts in `a`. */
      create(name: string, limits: Limits): Promise<RunCgroup>;
      close(): Promise<void>;
    }
  | { readonly kind: "none"; readonly reason: string };

/** What this process is told of hierarchies: its `/proc/self/mounts` and `/proc/self/cgroup`. */
export interface Hierarchies {
  readonly mounts: string;
  readonly membership: string;
}

async function ownHierarchies(): Promise<Hierarchies> {
  return {
    mounts: await readFile("/proc/self/mounts", "utf8"),
    membership: await readFile("/proc/self/cgroup", "utf8"),
  };
}

/** Finds a hierarchy in which memory and processes can be limited, and makes a folder there. */
export async function openCgroups(name: string, given?: Hierarchies): Promise<Cgroups> {
  const reasons: string[] = [];
  const hierarchies = given ?? (await ownHierarchies());
  for (const attempt of [
    () => openUnified(name, hierarchies),
    () => openLegacy(name, hierarchies),
  ]) {
    try {
      return await attempt();
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { kind: "none", reason: reasons.join("; ") };
}

async function openLegacy(name: string, hierarchies: Hierarchies): Promise<Cgroups> {
  const memory = await folder("memory", name, hierarchies);
  const pids = await folder("pids", name, hierarchies);
  return {
    kind: "v1",
    async create(run, limits) {
      const at = { memory: join(memory, run), pids: join(pids, run) };
      await Promise.all([
        mkdir(at.memory, { recursive: true }),
        mkdir(at.pids, { recursive: true }),
      ]);
      if (limits.memoryBytes) {
        await writeFile(join(at.memory, "memory.limit_in_bytes"), String(limits.memoryBytes));
        // Swap accounting may be off in the kernel; the limit then counts memory only.
        await writeFile(
          join(at.memory, "memory.memsw.limit_in_bytes"),
          String(limits.memoryBytes),
        ).catch(() => {});
      }
      if (limits.processes) await writeFile(join(at.pids, "pids.max"), String(limits.processes));
      // What a process holds comes with it, where the kernel still does that; else it counts where it was taken.
      await writeFile(join(at.memory, "memory.move_charge_at_immigrate"), "3").catch(() => {});
      return {
        joinFiles: [join(at.memory, "cgroup.procs"), join(at.pids, "cgroup.procs")],
        ...killsIn(join(at.memory, "memory.oom_control")),
        peakBytes: () => bytes(join(at.memory, "memory.max_usage_in_bytes")),
        remove: async () => {
          await letGo(join(at.memory, "memory.force_empty"), "0");
          await Promise.all([removeGroup(at.memory), removeGroup(at.pids)]);
        },
      };
    },
    close: async () => void (await Promise.all([removeTree(memory), removeTree(pids)])),
  };
}

/** A v1 hierarchy: beneath this process's own group, so that the limits set on it keep counting. */
async function folder(
  controller: string,
  name: string,
  { mounts, membership }: Hierarchies,
): Promise<string> {
  const mount = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .find(
      ([, , type, options]) => type === "cgroup" && options?.split(",").includes(controller),
    )?.[1];
  if (!mount) throw new Error(`no cgroup v1 hierarchy for ${controller}`);
  const own = /^\d+:([^:]*):(.*)$/;
  const path = membership
    .split("\n")
    .map((line) => own.exec(line))
    .find((found) => found?.[1]?.split(",").includes(controller))?.[2];
  const failures: string[] = [];
  for (const parent of [join(mount, path ?? "/"), mount]) {
    const candidate = join(parent, name);
    try {
      await removeTree(candidate);
      await mkdir(candidate, { recursive: true });
      return candidate;
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`cgroup v1 ${controller} cannot be written: ${failures.join(", ")}`);
}

/** cgroup v2 needs a delegated group (systemd: Delegate=yes), because processes live in leaves only. */
async function openUnified(name: string, { mounts, membership }: Hierarchies): Promise<Cgroups> {
  const mount = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2")?.[1];
  if (!mount) throw new Error("no cgroup v2 hierarchy");
  const path = /^0::(.*)$/m.exec(membership)?.[1] ?? "/";
  const own = join(mount, path);
  const controllers = (await readFile(join(own, "cgroup.controllers"), "utf8")).trim().split(" ");
  if (!controllers.includes("memory") || !controllers.includes("pids"))
    throw new Error("cgroup v2 has no memory and pids controllers here");
  const supervisor = join(own, `${name}-supervisor`);
  await mkdir(supervisor, { recursive: true });
  for (const pid of (await readFile(join(own, "cgroup.procs"), "utf8")).trim().split("\n")) {
    if (pid) await writeFile(join(supervisor, "cgroup.procs"), pid);
  }
  await writeFile(join(own, "cgroup.subtree_control"), "+memory +pids");
  const base = join(own, name);
  await removeTree(base);
  await mkdir(base, { recursive: true });
  await writeFile(join(base, "cgroup.subtree_control"), "+memory +pids");
  return {
    kind: "v2",
    async create(run, limits) {
      const at = join(base, run);
      if (dirname(at) !== base)
        await writeFile(join(dirname(at), "cgroup.subtree_control"), "+memory +pids");
      await mkdir(at, { recursive: true });
      if (limits.memoryBytes) {
        await writeFile(join(at, "memory.max"), String(limits.memoryBytes));
        await writeFile(join(at, "memory.swap.max"), "0").catch(() => {});
      }
      if (limits.processes) await writeFile(join(at, "pids.max"), String(limits.processes));
      return {
        joinFiles: [join(at, "cgroup.procs")],
        ...killsIn(join(at, "memory.events")),
        peakBytes: () => bytes(join(at, "memory.peak")),
        remove: async () => {
          const held = await bytes(join(at, "memory.current"));
          await letGo(join(at, "memory.reclaim"), String(held ?? 0));
          await removeGroup(at);
        },
      };
    },
    close: () => removeTree(base),
  };
}

function killsIn(file: string): Pick<RunCgroup, "outOfMemory" | "outOfMemoryKills"> {
  const outOfMemoryKills = async (): Promise<number> =>
    Number(/^oom_kill (\d+)$/m.exec(await readFile(file, "utf8"))?.[1] ?? 0);
  return { outOfMemoryKills, outOfMemory: async () => (await outOfMemoryKills()) > 0 };
}

async function bytes(file: string): Promise<number | null> {
  const text = await readFile(file, "utf8").catch(() => "");
  const found = Number.parseInt(text, 10);
  return Number.isFinite(found) ? found : null;
}

/**
 * A group that is removed lives on in the kernel as long as it is charged with cached pages of files, and thousands of
 * such make everything on the machine slow. Best effort: what is in use elsewhere stays, and not every kernel can.
 */
async function letGo(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flag: "r+" }).catch(() => {});
}

/** A group can be removed once its last process has been reaped, which may be a moment later. */
async function removeGroup(path: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || attempt === 100)
        throw new Error(`cgroup ${path} cannot be removed`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Groups that a killed supervisor left are swept at the next start: they are empty by then. */
async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(path, entry.name));
  await removeGroup(path);
}
