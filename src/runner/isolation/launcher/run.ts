import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { Layout } from "../layout.ts";
import type { Self } from "../self.ts";
import { refuseBind } from "./binds.ts";
import type { Cgroups } from "./cgroup.ts";
import { FRAME, frameReader, writeFrame, writeJsonFrame } from "./frames.ts";
import type { JobProcess } from "./job-process.ts";
import { FIRST_FILE_FD, startJobProcess } from "./job-process.ts";
import type { Job, Jobs } from "./jobs.ts";
import type { Enforcement, Limits, Refusal, RunExit, RunRequest } from "./request.ts";
import { programArguments, runArguments } from "./sandbox-arguments.ts";

/** What every run needs of the launcher. */
export interface RunContext {
  readonly paths: Layout;
  readonly self: Self;
  readonly jobs: Jobs;
  readonly cgroups: Cgroups;
  readonly systemArguments: readonly string[];
  readonly readOnlyPaths: readonly string[];
  readonly nextRun: () => string;
}

/** A running process could swap a folder for a link between the check of a bind and its mount. */
const EXCLUSIVE = "a run that binds folders of its job is the only one of the job while it lasts";

/** Serves one run on its connection: output as frames, then the exit. Closing the connection ends the run. */
export async function serveRun(
  context: RunContext,
  request: RunRequest,
  socket: Socket,
  early: Buffer,
): Promise<void> {
  const job = context.jobs.get(request.job);
  const refusal = job
    ? await refuseRun(context, request, job)
    : `there is no open job ${request.job}`;
  if (!job || refusal !== null) {
    writeJsonFrame(socket, FRAME.refused, { reason: refusal ?? "", bug: false } satisfies Refusal);
    socket.end();
    return;
  }
  const cgroup =
    context.cgroups.kind === "none" || !isLimited(request.limits)
      ? null
      : await context.cgroups.create(context.nextRun(), request.limits);
  if (context.jobs.get(job.id) !== job || socket.destroyed) {
    await cgroup?.remove();
    socket.destroy();
    return;
  }
  const exclusive = request.binds.some((bind) => !context.readOnlyPaths.includes(bind.source));
  const others = [...job.runs];
  if (others.some((other) => other.exclusive) || (exclusive && others.length > 0)) {
    await cgroup?.remove();
    writeJsonFrame(socket, FRAME.refused, { reason: EXCLUSIVE, bug: false } satisfies Refusal);
    socket.end();
    return;
  }
  const running = startJobProcess({
    job,
    options: [
      ...context.systemArguments,
      ...runArguments(request, job, context.paths, FIRST_FILE_FD),
    ],
    program: programArguments(request, context.self),
    files: request.files.map((file) => Buffer.from(file.content, "base64")),
    limits: request.limits,
    cgroup,
    stdin: request.stdin,
  });
  const entry = { exclusive, kill: () => running.kill(), done: running.process.ended };
  job.runs.add(entry);
  const stop = stopper(running, request.graceMs);
  socket.once("end", stop);
  socket.once("close", stop);
  readCommands(socket, early, running, stop);
  relay(running.process.stdout, socket, FRAME.stdout);
  relay(running.process.stderr, socket, FRAME.stderr);

  const end = await running.process.ended;
  job.runs.delete(entry);
  socket.removeListener("end", stop);
  socket.removeListener("close", stop);
  const status = running.status();
  const exit: RunExit = {
    exitCode: status.exitCode ?? end.exitCode,
    signal: end.signal,
    durationMs: end.durationMs,
    outOfMemory: cgroup ? await cgroup.outOfMemory() : false,
    peakBytes: cgroup ? await cgroup.peakBytes() : null,
    memory: enforcement(request.limits.memoryBytes, cgroup !== null, "address-space"),
    processes: enforcement(request.limits.processes, cgroup !== null, "per-user"),
    setupFailed: status.exitCode === null && end.signal === null,
  };
  writeJsonFrame(socket, FRAME.exit, exit);
  socket.end();
  await cgroup?.remove();
}

/** A group costs the kernel more than most programs take: what has no limit needs none. */
function isLimited({ memoryBytes, processes }: Limits): boolean {
  return memoryBytes !== undefined || processes !== undefined;
}

async function refuseRun(
  context: RunContext,
  request: RunRequest,
  job: Job,
): Promise<string | null> {
  for (const bind of request.binds) {
    const refusal = await refuseBind(bind, job, context.readOnlyPaths);
    if (refusal !== null) return refusal;
  }
  return null;
}

/** SIGTERM, and SIGKILL after the grace unless the run has ended by then. */
function stopper(running: JobProcess, graceMs: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  void running.process.ended.then(() => clearTimeout(timer));
  return () => {
    if (timer) return;
    timer = setTimeout(() => running.kill(), graceMs);
    void running.terminate();
  };
}

function readCommands(socket: Socket, early: Buffer, running: JobProcess, stop: () => void): void {
  const { stdin } = running.process;
  const read = frameReader((type, payload) => {
    if (type === FRAME.terminate) stop();
    else if (type === FRAME.stdinEnd) stdin?.end();
    else if (type === FRAME.stdin) {
      if (stdin && !stdin.write(payload)) {
        socket.pause();
        stdin.once("drain", () => socket.resume());
      }
    } else throw new Error(`unknown frame ${type}`);
  });
  const take = (chunk: Buffer): void => {
    try {
      read(chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  // A program that ends without reading its input must not leave the connection paused.
  stdin?.once("close", () => socket.resume());
  if (early.length > 0) take(early);
  socket.on("data", take);
  socket.resume();
}

function relay(
  from: Readable | null,
  to: Socket,
  type: typeof FRAME.stdout | typeof FRAME.stderr,
): void {
  from?.on("data", (chunk: Uint8Array) => {
    if (to.destroyed || writeFrame(to, type, chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  });
  // Nobody listens any more: read on, so that the program is not stuck on a full pipe while it ends.
  to.once("close", () => from?.resume());
}

function enforcement(
  limit: number | undefined,
  inCgroup: boolean,
  fallback: Enforcement,
): Enforcement {
  if (limit === undefined) return "none";
  return inCgroup ? "cgroup" : fallback;
}
