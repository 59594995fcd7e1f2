import { readdir, readFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import type { RunningProcess } from "../../process/index.ts";
import { start } from "../../process/index.ts";
import { ROOT_PATH } from "../store.ts";
import type { RunCgroup } from "./cgroup.ts";
import type { Job } from "./jobs.ts";
import { userOf } from "./jobs.ts";
import type { Limits } from "./request.ts";

/** File descriptors that bubblewrap is given beyond the standard ones. */
export const ARGUMENTS_FD = 3;
export const STATUS_FD = 4;
export const FIRST_FILE_FD = 5;

/** Joins the cgroups, then becomes what follows `--`. The text is fixed; data comes as arguments only. */
export const JOIN =
  'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"';

export interface JobProcessOptions {
  readonly job: Job;
  /** bubblewrap's options: they hold the environment, so they go through a pipe, not through argv. */
  readonly options: readonly string[];
  readonly program: readonly string[];
  readonly files: readonly Uint8Array[];
  readonly limits: Limits;
  readonly cgroup: RunCgroup | null;
  readonly stdin: boolean;
}

/** What bubblewrap told about the sandbox. */
export interface SandboxStatus {
  /** The sandbox's pid 1 as seen from here. */
  readonly init: number | null;
  /** Set only when the program really ran. */
  readonly exitCode: number | null;
}

export interface JobProcess {
  readonly process: RunningProcess;
  status(): SandboxStatus;
  /** SIGTERM to the program (not to the sandbox around it). */
  terminate(): Promise<void>;
  /** SIGKILL to the sandbox's pid 1, and so to everything inside. */
  kill(): void;
}

/** Starts a program as the job's user in namespaces of its own. Runs as root; drops everything first. */
export function startJobProcess(options: JobProcessOptions): JobProcess {
  const { job } = options;
  const user = String(job.uid);
  const { cgroup } = options;
  const program: [string, ...string[]] = [
    "setpriv",
    "--reuid",
    user,
    "--regid",
    user,
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--pdeathsig",
    "KILL",
    "prlimit",
    ...resourceLimits(options.limits, cgroup !== null),
    "bwrap",
    "--args",
    String(ARGUMENTS_FD),
    "--json-status-fd",
    String(STATUS_FD),
    "--",
    ...options.program,
  ];
  const child = start(
    cgroup === null ? program : ["sh", "-c", JOIN, "sh", ...cgroup.joinFiles, "--", ...program],
    {
      cwd: "/",
      env: { PATH: ROOT_PATH },
      stdio: [
        options.stdin ? "pipe" : "ignore",
        "pipe",
        "pipe",
        "pipe",
        "pipe",
        ...options.files.map(() => "pipe" as const),
      ],
    },
  );
  writeTo(
    child,
    ARGUMENTS_FD,
    Buffer.from(options.options.map((option) => `${option}\0`).join("")),
  );
  options.files.forEach((content, index) => writeTo(child, FIRST_FILE_FD + index, content));
  const status = readStatus(child);
  return {
    process: child,
    status,
    async terminate() {
      const { init } = status();
      const program = init === null ? null : await firstChild(init, job.uid);
      if (program === null) child.terminate();
      else signal(program, "SIGTERM");
    },
    kill() {
      const { init } = status();
      if (init !== null) signal(init, "SIGKILL");
      if (child.pid !== undefined) signal(child.pid, "SIGKILL");
    },
  };
}

/** prlimit's options. Memory and processes are left to the cgroup where there is one. */
export function resourceLimits(limits: Limits, inCgroup: boolean): string[] {
  return [
    "--core=0",
    ...(limits.openFiles ? [`--nofile=${limits.openFiles}`] : []),
    ...(limits.fileBytes ? [`--fsize=${limits.fileBytes}`] : []),
    ...(limits.memoryBytes && !inCgroup ? [`--as=${limits.memoryBytes}`] : []),
    ...(limits.processes && !inCgroup ? [`--nproc=${limits.processes}`] : []),
  ];
}

function writeTo(child: RunningProcess, descriptor: number, content: Uint8Array): void {
  (child.channels[descriptor] as Writable | null | undefined)?.end(content);
}

function readStatus(child: RunningProcess): () => SandboxStatus {
  let text = "";
  const channel = child.channels[STATUS_FD] as Readable | null | undefined;
  channel?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return () => ({
    init: number(/"child-pid":\s*(\d+)/.exec(text)),
    exitCode: number(/"exit-code":\s*(\d+)/.exec(text)),
  });
}

function number(found: RegExpExecArray | null): number | null {
  return found ? Number(found[1]) : null;
}

/** The program is the first child of the sandbox's pid 1; null when there is none, or not the job's. */
async function firstChild(init: number, uid: number): Promise<number | null> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  for (const pid of pids.sort((left, right) => left - right)) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    if (Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) === init)
      return (await userOf(pid)) === uid ? pid : null;
  }
  return null;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
