import type { StoreService } from "./store/serve/service.ts";

/** A file that only the launched program can read, beneath `Workspace.secrets`. */
export interface LaunchFile {
  readonly name: string;
  readonly content: string;
}

export interface LaunchRequest {
  readonly argv: readonly [string, ...string[]];
  /** As the program sees it; the workspace's directory unless given. */
  readonly cwd?: string;
  /** Added to the workspace's own environment; nothing of the agent's is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** `proxy`: connections through the runner's egress policy. */
  readonly network: "none" | "proxy";
  readonly files?: readonly LaunchFile[];
  /** Written to stdin, as it comes, which is then closed. The program may end before. */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly memoryBytes?: number;
  readonly timeoutMs?: number;
  /** Milliseconds from SIGTERM to SIGKILL; 10,000 unless given. */
  readonly graceMs?: number;
  readonly signal?: AbortSignal;
  /** Bytes kept of each output; the callbacks see all. */
  readonly maxOutput?: number;
  readonly onStdout?: (chunk: Uint8Array) => void;
  readonly onStderr?: (chunk: Uint8Array) => void;
}

export interface LaunchResult {
  /** null when a signal ended it or it never ran. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly durationMs: number;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  /** The kernel ended it for its memory limit. */
  readonly outOfMemory: boolean;
  /** Most memory (bytes) that it held at once, page cache included; null where the isolation cannot tell. */
  readonly peakBytes: number | null;
  /** Why it never ran; null when it did. */
  readonly startFailure: string | null;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly truncated: boolean;
}

/** Why the runner itself ended a build: it took more than a build may. */
export interface Ending {
  readonly id: string;
  readonly kind: "out-of-memory" | "out-of-disk";
  readonly limitBytes: number;
  /** The same for people. */
  readonly said: string;
}

/** Starts a program of a job, isolated, and waits for its end. Never rejects for what the program does. */
export type Launch = (request: LaunchRequest) => Promise<LaunchResult>;

/** The one port to the isolation of an open job: its user, its directory, its programs. */
export interface Workspace {
  readonly launch: Launch;
  /** Answers questions about the store without a process for each. */
  readonly store: Pick<StoreService, "ask">;
  /** The job's writable directory, as its programs see it. */
  readonly directory: string;
  /** Where `LaunchRequest.files` appear, as its programs see it. */
  readonly secrets: string;
  /** Builds that the runner itself has ended lately, by the derivation's base name; `id` is another for each ending. */
  endings(): Promise<ReadonlyMap<string, Ending>>;
}

/** True when it ran to its end and exited with 0. */
export function ended(result: LaunchResult): boolean {
  return (
    result.exitCode === 0 && !result.timedOut && !result.cancelled && result.startFailure === null
  );
}

/** How it ended, in a few words without its output. */
export function describeLaunch(result: LaunchResult): string {
  if (result.startFailure !== null) return `could not start: ${result.startFailure}`;
  if (result.cancelled) return "was cancelled";
  if (result.timedOut)
    return `ran over its time limit (${Math.round(result.durationMs / 1_000)} s)`;
  if (result.outOfMemory) return "ran out of memory";
  return result.signal === null
    ? `exited with ${result.exitCode ?? "no code"}`
    : `was ended by ${result.signal}`;
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
