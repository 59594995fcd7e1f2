import type { Socket } from "node:net";
import { connect } from "node:net";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { collect } from "../process/collect.ts";
import { GRACE_MS, MAX_OUTPUT } from "../process/index.ts";
import { FRAME, frameReader, writeFrame } from "./launcher/frames.ts";
import type { JobRequest, RunRequest } from "./launcher/request.ts";
import { JobOpened, Refusal, RunExit } from "./launcher/request.ts";
import { INSIDE } from "./layout.ts";
import { openRelay } from "./relay.ts";
import type { IsolatedJob, JobWays, SandboxResult, SandboxRun } from "./sandbox-run.ts";

/** The agent's side of the root helper's socket. */
export interface LauncherClient {
  openJob(label: string, ways?: JobWays): Promise<IsolatedJob>;
}

/**
 * @param relays folder for sockets that single jobs are given.
 * @param environment what every program gets unless its own `env` says otherwise.
 * @param endings as `IsolatedJob` gives them.
 */
export function launcherClient(
  socketPath: string,
  relays: string,
  environment: Readonly<Record<string, string>>,
  endings: IsolatedJob["endings"],
): LauncherClient {
  return {
    async openJob(label, ways) {
      const socket = await open(socketPath);
      const relay = ways === undefined ? null : await openRelay(relays, ways.socket);
      const opened = await firstAnswer(socket, {
        kind: "job",
        label: label.slice(0, 200),
        ways:
          ways === undefined || relay === null ? null : { reach: ways.reach, socket: relay.path },
      }).catch(async (error: unknown) => {
        await relay?.close();
        throw error;
      });
      const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      return {
        id: opened.job,
        inside: INSIDE.job,
        outside: opened.directory,
        secrets: INSIDE.secrets,
        agentSocket: relay === null ? null : INSIDE.agentSocket,
        connect: opened.connect,
        remote: environment["NIX_REMOTE"] ?? "auto",
        run: (request) => runInJob(socketPath, opened.job, environment, request),
        endings,
        async dispose() {
          socket.end();
          await gone;
          await relay?.close();
        },
      };
    },
  };
}

async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } catch (error) {
    throw new Error(`the root helper does not answer on ${path}: is the runner still running?`, {
      cause: error,
    });
  }
  return socket;
}

function firstAnswer(socket: Socket, request: JobRequest): Promise<JobOpened> {
  return new Promise((resolve, reject) => {
    const read = frameReader((type, payload) => {
      const value: unknown = JSON.parse(Buffer.from(payload).toString("utf8"));
      if (type === FRAME.opened) resolve(JobOpened.parse(value));
      else reject(new Error(`the root helper opens no job: ${Refusal.parse(value).reason}`));
    });
    socket.on("data", read);
    socket.once("error", reject);
    socket.once("close", () =>
      reject(new Error("the root helper closed the connection before it opened a job")),
    );
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

async function runInJob(
  socketPath: string,
  job: string,
  environment: Readonly<Record<string, string>>,
  request: SandboxRun,
): Promise<SandboxResult> {
  const began = performance.now();
  if (request.signal?.aborted) return unstarted(began, { cancelled: true });
  const socket = await open(socketPath);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const kept = {
    stdout: collect(stdout, request.maxOutput ?? MAX_OUTPUT, request.onStdout),
    stderr: collect(stderr, request.maxOutput ?? MAX_OUTPUT, request.onStderr),
  };
  let timedOut = false;
  let cancelled = false;
  const terminate = (): void => void writeFrame(socket, FRAME.terminate);
  const onAbort = (): void => {
    cancelled = true;
    terminate();
  };
  const answer = new Promise<RunExit | Refusal>((resolve, reject) => {
    const read = frameReader((type, payload) => {
      if (type === FRAME.stdout) stdout.write(payload);
      else if (type === FRAME.stderr) stderr.write(payload);
      else if (type === FRAME.exit)
        resolve(RunExit.parse(JSON.parse(Buffer.from(payload).toString("utf8"))));
      else if (type === FRAME.refused)
        resolve(Refusal.parse(JSON.parse(Buffer.from(payload).toString("utf8"))));
      else reject(new Error(`the root helper sent an unknown frame ${type}`));
    });
    socket.on("data", (chunk) => {
      try {
        read(chunk);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.once("error", reject);
    socket.once("close", () =>
      reject(new Error("the root helper went away while a program ran: its verdict is unknown")),
    );
  });
  socket.write(`${JSON.stringify(wireRequest(job, environment, request))}\n`);
  const limit =
    request.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          terminate();
        }, request.timeoutMs);
  request.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    // A program may end while there is more to come for it.
    const fed =
      request.input === undefined ? answer : feed(socket, request.input).then(() => answer);
    const answered = await Promise.race([answer, fed]);
    await Promise.all([stdout, stderr].map((stream) => once(stream.end(), "end")));
    if ("reason" in answered) {
      if (answered.bug) throw new Error(`the root helper failed: ${answered.reason}`);
      return unstarted(began, { refused: answered.reason });
    }
    const setup = answered.setupFailed && !cancelled && !timedOut;
    return {
      exitCode: setup ? null : answered.exitCode,
      signal: answered.signal,
      durationMs: answered.durationMs,
      timedOut,
      cancelled,
      startFailure: setup
        ? {
            code: "SANDBOX",
            message: `the sandbox could not be made: ${new TextDecoder().decode(kept.stderr.bytes()).trim()}`,
          }
        : null,
      stdout: kept.stdout.bytes(),
      stderr: kept.stderr.bytes(),
      truncated: kept.stdout.truncated() || kept.stderr.truncated(),
      outOfMemory: answered.outOfMemory,
      peakBytes: answered.peakBytes,
      enforcement: { memory: answered.memory, processes: answered.processes },
    };
  } finally {
    clearTimeout(limit);
    request.signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

function wireRequest(
  job: string,
  environment: Readonly<Record<string, string>>,
  request: SandboxRun,
): RunRequest {
  const [program, ...args] = request.argv;
  return {
    kind: "run",
    job,
    argv: [program, ...args],
    cwd: request.cwd ?? (request.jobDirectory === "absent" ? "/tmp" : INSIDE.job),
    env: { ...environment, ...request.env },
    network: request.network ?? "none",
    jobDirectory: request.jobDirectory ?? "read-write",
    binds: [...(request.binds ?? [])],
    files: (request.files ?? []).map((file) => ({
      name: file.name,
      content: Buffer.from(file.content).toString("base64"),
    })),
    limits: request.limits ?? {},
    stdin: request.input !== undefined,
    graceMs: request.graceMs ?? GRACE_MS,
  };
}

async function feed(
  socket: Socket,
  input: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const chunks =
    typeof input === "string" || input instanceof Uint8Array ? [Buffer.from(input)] : input;
  for await (const chunk of chunks) {
    if (socket.destroyed) return;
    if (!writeFrame(socket, FRAME.stdin, chunk))
      await Promise.race([once(socket, "drain"), once(socket, "close")]);
  }
  if (!socket.destroyed) writeFrame(socket, FRAME.stdinEnd);
}

function unstarted(
  began: number,
  why: { readonly cancelled?: boolean; readonly refused?: string },
): SandboxResult {
  return {
    exitCode: null,
    signal: null,
    durationMs: performance.now() - began,
    timedOut: false,
    cancelled: why.cancelled ?? false,
    startFailure: why.refused === undefined ? null : { code: "REFUSED", message: why.refused },
    stdout: new Uint8Array(),
    stderr: new Uint8Array(),
    truncated: false,
    outOfMemory: false,
    peakBytes: null,
    enforcement: { memory: "none", processes: "none" },
  };
}
