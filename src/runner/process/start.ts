import type { Readable, Writable } from "node:stream";
import { execa } from "execa";
import type { Environment } from "./environment.ts";
import { adoptGroup, releaseGroup, signalGroup } from "./group.ts";
import type { ProcessEnd, StartFailure } from "./result.ts";

/** Milliseconds between SIGTERM and SIGKILL: what a cancelled job is promised. */
export const GRACE_MS = 10_000;

type Channel = "pipe" | "ignore" | "inherit";

export interface StartOptions {
  readonly cwd?: string;
  /** The whole environment of the child; empty unless given. */
  readonly env?: Environment;
  /** Time limit in milliseconds; none unless given. */
  readonly timeoutMs?: number;
  /** Aborting sends SIGTERM to the process group and SIGKILL after `graceMs`. */
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
  /** stdin, stdout, stderr and further file descriptors; three pipes unless given. */
  readonly stdio?: readonly [Channel, Channel, Channel, ...Channel[]];
}

/** A process that is running (or that failed to start: then `ended` says so at once). */
export interface RunningProcess {
  readonly pid: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** All channels by file descriptor, those beyond 2 included. */
  readonly channels: readonly (Readable | Writable | null | undefined)[];
  /** SIGTERM to the group, SIGKILL after the grace. May be called more than once. */
  terminate(): void;
  /** Resolves when the process has exited and its outputs are closed; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when the process itself has exited; its outputs may still be held open by others. */
  readonly exited: Promise<void>;
}

/** Starts a program, never through a shell. */
export function start(
  argv: readonly [string, ...string[]],
  options: StartOptions = {},
): RunningProcess {
  const began = performance.now();
  const [file, ...args] = argv;
  const child = execa(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env },
    extendEnv: false,
    stdio: options.stdio ?? ["pipe", "pipe", "pipe"],
    buffer: false,
    encoding: "buffer",
    stripFinalNewline: false,
    reject: false,
    detached: true,
    cleanup: false,
  });
  const { pid } = child;
  if (pid !== undefined) adoptGroup(pid);
  // Whoever reads less than everything, or writes to a child that has gone, gets the news by the end.
  const channels = child.nodeChildProcess.stdio;
  for (const channel of channels) channel?.on("error", () => {});

  let timedOut = false;
  let cancelled = false;
  let killTimer: NodeJS.Timeout | undefined;
  const terminate = (): void => {
    if (pid === undefined || killTimer) return;
    signalGroup(pid, "SIGTERM");
    killTimer = setTimeout(() => signalGroup(pid, "SIGKILL"), options.graceMs ?? GRACE_MS);
  };
  const onAbort = (): void => {
    cancelled = true;
    terminate();
  };
  const limit =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          terminate();
        }, options.timeoutMs);
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });

  const settled = (): void => {
    clearTimeout(limit);
    options.signal?.removeEventListener("abort", onAbort);
    if (pid === undefined) return;
    // The leader has gone: what it left behind goes too, and at once when it was told to end.
    if (killTimer) signalGroup(pid, "SIGKILL");
    clearTimeout(killTimer);
    releaseGroup(pid);
  };
  const exited = new Promise<void>((resolve) => {
    if (pid === undefined) void child.then(() => resolve());
    else child.nodeChildProcess.once("exit", () => resolve());
  }).then(settled);

  const ended = child.then(async (result): Promise<ProcessEnd> => {
    await exited;
    return {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      durationMs: performance.now() - began,
      timedOut,
      cancelled,
      startFailure: pid === undefined ? startFailure(result, file) : null,
    };
  });
  return {
    pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    channels,
    terminate,
    ended,
    exited,
  };
}

function startFailure(result: object, file: string): StartFailure {
  const code = "code" in result && typeof result.code === "string" ? result.code : "UNKNOWN";
  const message =
    code === "ENOENT"
      ? `no program "${file}" (or no working directory): install it or put it on PATH`
      : `"${file}" cannot be started (${code})`;
  return { code, message };
}
