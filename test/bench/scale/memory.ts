import { readFile, writeFile } from "node:fs/promises";
import { descendants, type SeenProcess } from "../../runner/isolation/support.ts";

/** The processes of a stack whose memory counts. */
export interface Watched {
  readonly agent: number;
  readonly workerd: number;
}

/** The agent is the runner's unprivileged part, inside of its supervisor; workerd is a child of this process. */
export async function watched(): Promise<Watched> {
  const all = await descendants(process.pid);
  return {
    agent: one(
      all.filter(({ command }) => /\/self\/node\0.*\/main\.ts\0runner\0/u.test(command)),
      "agent",
    ),
    workerd: one(
      all.filter(
        ({ command, parent }) => parent === process.pid && /workerd\0serve\0/u.test(command),
      ),
      "workerd",
    ),
  };
}

function one(found: readonly SeenProcess[], what: string): number {
  const [first] = found;
  if (first === undefined || found.length > 1)
    throw new Error(`${found.length} processes are the ${what}, not one`);
  return first.pid;
}

/** Peak of resident memory (bytes) since the process began, or since `forgetPeak`: VmHWM, proc(5). */
export async function peak(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kib = /^VmHWM:\s+(\d+) kB$/mu.exec(status)?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status does not tell a peak`);
  return Number(kib) * 1_024;
}

export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, "5");
}
