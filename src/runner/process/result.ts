/** Why a program could not be started at all; `code` is Node's (`ENOENT`, `EACCES`, …). */
export interface StartFailure {
  readonly code: string;
  readonly message: string;
}

/** How a process ended. One shape for success, failure, cancellation and a program that is missing. */
export interface ProcessEnd {
  /** null when a signal ended it or it never started. */
  readonly exitCode: number | null;
  /** The signal that ended it, such as `SIGTERM`; null when it exited by itself. */
  readonly signal: string | null;
  /** Milliseconds from the start to the end, by the monotonic clock. */
  readonly durationMs: number;
  /** The time limit passed, by our own clock. */
  readonly timedOut: boolean;
  /** The caller's AbortSignal fired before the end. */
  readonly cancelled: boolean;
  /** Set when the program never started. */
  readonly startFailure: StartFailure | null;
}

/** The end of a process together with what it wrote. */
export interface ProcessResult extends ProcessEnd {
  /** The first `maxOutput` bytes of each stream; `onStdout` and `onStderr` saw all of them. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** A stream was longer than `maxOutput`. */
  readonly truncated: boolean;
}

/** True when the process ran and exited with 0, in time and not cancelled. */
export function succeeded(end: ProcessEnd): boolean {
  return end.exitCode === 0 && !end.timedOut && !end.cancelled;
}

/** One line for logs and errors; holds no output and no argument. */
export function describeEnd(end: ProcessEnd): string {
  if (end.startFailure) return `could not start: ${end.startFailure.message}`;
  const how = end.signal ? `ended by ${end.signal}` : `exited with ${end.exitCode ?? "no code"}`;
  const why = end.cancelled ? ", cancelled" : end.timedOut ? ", over its time limit" : "";
  return `${how} after ${Math.round(end.durationMs)} ms${why}`;
}
