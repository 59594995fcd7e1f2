import { readFile } from "node:fs/promises";

/** How often this machine's kernel has killed for want of memory, limits of cgroups included; null where it does not say. */
export async function oomKills(): Promise<number | null> {
  const text = await readFile("/proc/vmstat", "utf8").catch(() => "");
  const found = /^oom_kill (\d+)$/mu.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}
