import { readFile } from "node:fs/promises";

/** The root of a build's file system lies in `<derivation>.chroot`, in later versions a folder below. */
const CHROOT = /\/([0-9a-z]{32}-[A-Za-z0-9+._?=-]+\.drv)\.chroot(?:\/|$)/u;

/**
 * Base name of the derivation in whose sandbox a process runs; null while it is not in one (yet). The kernel's word: what
 * a process says about itself is the builder's.
 */
export async function derivationOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [, , , root = "", mountPoint] = line.split(" ");
    if (mountPoint === "/") return CHROOT.exec(root)?.[1] ?? null;
  }
  return null;
}

/** Processes of a cgroup, by its `cgroup.procs`; none when it has gone. Those of other pid namespaces are 0. */
export async function members(file: string): Promise<number[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").map(Number).filter(Boolean);
}

/** Whether it is the first process of a pid namespace below ours. */
export async function isFirst(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const numbers = /^NSpid:\s+(.*)$/mu.exec(text)?.[1]?.trim().split(/\s+/u) ?? [];
  return numbers.length > 1 && numbers.at(-1) === "1";
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
