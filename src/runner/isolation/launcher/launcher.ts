import { chmod, chown, mkdir, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import type { RunningProcess } from "../../process/index.ts";
import type { Accounts } from "../accounts.ts";
import type { Layout } from "../layout.ts";
import type { Self } from "../self.ts";
import type { Cgroups } from "./cgroup.ts";
import { FRAME, writeJsonFrame } from "./frames.ts";
import { jobs as openJobs } from "./jobs.ts";
import type { JobOpened, JobRequest, Refusal } from "./request.ts";
import { LauncherRequest, REQUEST_MAX } from "./request.ts";
import type { RunContext } from "./run.ts";
import { serveRun } from "./run.ts";
import { connectArguments, systemArguments } from "./sandbox-arguments.ts";
import { refuseSocket } from "./ways.ts";

export interface LauncherOptions {
  readonly paths: Layout;
  readonly plan: Accounts;
  readonly self: Self;
  readonly readOnlyPaths: readonly string[];
  readonly nixFolder: string | null;
  readonly cgroups: Cgroups;
  /** A proxy of its own, which also goes to `reach`; resolves when it listens. */
  readonly startEgress: (socket: string, reach: string) => Promise<RunningProcess>;
  readonly onLog: (line: string) => void;
}

export interface Launcher {
  /** `cgroup` or the reason why limits are approximations. */
  readonly limits: string;
  /** Ends every job and removes what the launcher made. */
  close(): Promise<void>;
}

/**
 * The root helper: the one privileged part. All it can do is to start a program as a job user in
 * namespaces of its own. Its socket lies in a folder that only the agent can enter.
 */
export async function startLauncher(options: LauncherOptions): Promise<Launcher> {
  const { paths, plan } = options;
  const jobs = openJobs(paths.jobs, plan.jobUsers);
  await jobs.sweep();
  const { cgroups } = options;
  let runs = 0;
  const context: RunContext = {
    paths,
    self: options.self,
    jobs,
    cgroups,
    systemArguments: await systemArguments(paths, options.self, [
      ...(options.nixFolder === null ? [] : [options.nixFolder]),
      ...options.readOnlyPaths,
    ]),
    readOnlyPaths: options.readOnlyPaths,
    nextRun: () => `run-${(runs += 1)}`,
  };
  // Half-open: a job's connection is closed by this side, when nothing of the job is left.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    void serve(context, options, socket).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      options.onLog(`launcher: ${reason}`);
      if (!socket.destroyed) {
        writeJsonFrame(socket, FRAME.refused, { reason, bug: true } satisfies Refusal);
        socket.end();
      }
    });
  });
  await listen(server, paths, plan);
  return {
    limits: cgroups.kind === "none" ? `rlimits only (${cgroups.reason})` : `cgroup ${cgroups.kind}`,
    async close() {
      server.close();
      await jobs.closeAll();
    },
  };
}

async function listen(server: Server, paths: Layout, plan: Accounts): Promise<void> {
  await mkdir(paths.launcherDirectory, { recursive: true });
  await chown(paths.launcherDirectory, plan.agent, plan.agent);
  await chmod(paths.launcherDirectory, 0o700);
  await rm(paths.launcherSocket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(paths.launcherSocket, resolve);
  });
  await chown(paths.launcherSocket, plan.agent, plan.agent);
  await chmod(paths.launcherSocket, 0o600);
}

async function serve(context: RunContext, options: LauncherOptions, socket: Socket): Promise<void> {
  const first = await readRequest(socket);
  if (first === null) return;
  const { request, early } = first;
  switch (request.kind) {
    case "job":
      return await serveJob(context, options, request, socket);
    case "run":
      return await serveRun(context, request, socket, early);
  }
}

/** A job lives as long as its connection: an agent that dies leaves nothing behind. */
async function serveJob(
  context: RunContext,
  options: LauncherOptions,
  { ways }: JobRequest,
  socket: Socket,
): Promise<void> {
  const decline = (reason: string): void => {
    writeJsonFrame(socket, FRAME.refused, { reason, bug: false } satisfies Refusal);
    socket.end();
  };
  const refusal = ways === null ? null : await refuseSocket(ways.socket, options);
  if (refusal !== null) return decline(refusal);
  const job = await context.jobs.open();
  if (!job) return decline("every job user is taken: raise jobUsers or run fewer jobs at once");
  const closed = new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    socket.once("end", resolve);
    socket.once("close", resolve);
  });
  const egressSocket = join(context.paths.egressDirectory, job.id);
  let egress: RunningProcess | null = null;
  try {
    if (ways !== null) {
      egress = await options.startEgress(egressSocket, ways.reach);
      job.ways = { egressSocket, agentSocket: ways.socket };
    }
    writeJsonFrame(socket, FRAME.opened, {
      job: job.id,
      directory: job.directory,
      uid: job.uid,
      connect: connectArguments(context.self),
    } satisfies JobOpened);
    socket.resume();
    await closed;
  } finally {
    await context.jobs.close(job);
    egress?.terminate();
    await egress?.ended;
    if (ways !== null) await rm(egressSocket, { force: true });
  }
  // The half-closed connection ends here: the client takes it as "everything of the job has gone".
  socket.end();
}

/** The first line is the request; what follows it belongs to the run. */
async function readRequest(
  socket: Socket,
): Promise<{ request: LauncherRequest; early: Buffer } | null> {
  let pending = Buffer.alloc(0);
  const line = await new Promise<number | null>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      const searched = pending.length;
      pending = Buffer.concat([pending, chunk]);
      const newline = pending.indexOf(10, searched);
      if (newline < 0 && pending.length <= REQUEST_MAX) return;
      socket.removeListener("data", onData);
      socket.pause();
      if (newline < 0) reject(new Error(`a request is longer than ${REQUEST_MAX} bytes`));
      else resolve(newline);
    };
    socket.on("data", onData);
    socket.once("end", () => resolve(null));
    socket.once("close", () => resolve(null));
  });
  if (line === null) {
    socket.destroy();
    return null;
  }
  const parsed = LauncherRequest.safeParse(JSON.parse(pending.subarray(0, line).toString("utf8")));
  if (!parsed.success)
    throw new Error(
      `the request is not valid: ${parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ")}`,
    );
  return { request: parsed.data, early: pending.subarray(line + 1) };
}
