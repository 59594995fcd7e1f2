import { randomBytes } from "node:crypto";
import { chown, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { must } from "../store.ts";

/** An open job: one user and one directory that nobody else has. */
export interface Job {
  readonly id: string;
  readonly uid: number;
  readonly directory: string;
  readonly runs: Set<JobRun>;
  /** What it was opened with beside what all jobs have. */
  ways: JobWay | null;
}

/** Sockets, as the host has them. */
export interface JobWay {
  readonly egressSocket: string;
  readonly agentSocket: string;
}

/** A program that runs in a job. */
export interface JobRun {
  /** It binds folders of the job, so nothing else of the job may run beside it. */
  readonly exclusive: boolean;
  kill(): void;
  readonly done: Promise<unknown>;
}

/** Hands out users and directories. */
export interface Jobs {
  open(): Promise<Job | null>;
  get(id: string): Job | undefined;
  /** Ends what runs, removes the directory, frees the user. */
  close(job: Job): Promise<void>;
  closeAll(): Promise<void>;
  /** Directories that an earlier, killed supervisor left. */
  sweep(): Promise<void>;
}

export function jobs(root: string, users: readonly number[]): Jobs {
  const free = [...users];
  const open = new Map<string, Job>();
  /** Open jobs and those that are being closed. */
  const all = new Set<Job>();
  const closing = new WeakMap<Job, Promise<void>>();
  const end = async (job: Job): Promise<void> => {
    open.delete(job.id);
    for (const run of job.runs) run.kill();
    await Promise.all([...job.runs].map((run) => run.done));
    await killUser(job.uid);
    await removeDirectory(job.directory);
    // Last in the queue: a user is used again as late as possible.
    free.push(job.uid);
    all.delete(job);
  };
  const close = (job: Job): Promise<void> => {
    const known = closing.get(job);
    if (known) return known;
    const ending = end(job);
    closing.set(job, ending);
    return ending;
  };
  return {
    async open() {
      const uid = free.shift();
      if (uid === undefined) return null;
      const id = randomBytes(9).toString("hex");
      const directory = join(root, id);
      await mkdir(directory, { mode: 0o700 });
      await chown(directory, uid, uid);
      const job: Job = { id, uid, directory, runs: new Set(), ways: null };
      open.set(id, job);
      all.add(job);
      return job;
    },
    get: (id) => open.get(id),
    close,
    async closeAll() {
      await Promise.all([...all].map(close));
    },
    async sweep() {
      for (const uid of users) await killUser(uid);
      for (const name of await readdir(root)) await removeDirectory(join(root, name));
    },
  };
}

/** coreutils' rm walks by file descriptors: no link is followed, no depth is too deep. */
async function removeDirectory(directory: string): Promise<void> {
  await must(["rm", "-rf", "--one-file-system", "--", directory]);
}

/** Belt to the pid namespace's braces: nothing of a user survives until the next job has it. */
async function killUser(uid: number): Promise<void> {
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    if ((await userOf(Number(entry))) === uid) {
      try {
        process.kill(Number(entry), "SIGKILL");
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    }
  }
}

/** The real user of a process, or null when it has gone. */
export async function userOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const found = /^Uid:\s+(\d+)/m.exec(status);
  return found ? Number(found[1]) : null;
}
