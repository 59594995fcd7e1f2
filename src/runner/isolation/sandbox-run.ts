import type { Environment, ProcessResult } from "../process/index.ts";
import type { BuildEnding } from "./builds/index.ts";
import type { Bind, Enforcement, Limits } from "./launcher/request.ts";

/** One program to be run in a job's sandbox. */
export interface SandboxRun {
  readonly argv: readonly [string, ...string[]];
  /** A path as the program sees it; the job's directory unless given. */
  readonly cwd?: string;
  /** Added to `Isolation.environment`. No secrets: a job's programs see each other's. */
  readonly env?: Environment;
  /** `proxy`: http and https through the egress list, by the proxy variables. Default `none`. */
  readonly network?: "none" | "proxy";
  /** How the job's directory is seen at `IsolatedJob.inside`. Default `read-write`. */
  readonly jobDirectory?: "read-only" | "read-write" | "absent";
  /** Folders of the job's directory or the operator's read-only paths, at other places. */
  readonly binds?: readonly Bind[];
  /** Files (mode 400) on a tmpfs of this run alone, in `IsolatedJob.secrets`. */
  readonly files?: readonly { readonly name: string; readonly content: string | Uint8Array }[];
  readonly limits?: Limits;
  /** Written to stdin as it comes, which is then closed. The program may end before. */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds from SIGTERM to SIGKILL; 10,000 unless given. */
  readonly graceMs?: number;
  /** Bytes kept of each stream; `onStdout` and `onStderr` see all. */
  readonly maxOutput?: number;
  readonly onStdout?: (chunk: Uint8Array) => void;
  readonly onStderr?: (chunk: Uint8Array) => void;
}

/** A process result with what the sandbox knows besides. */
export interface SandboxResult extends ProcessResult {
  /** The kernel ended a process of this run because of its memory limit. Known with cgroups only. */
  readonly outOfMemory: boolean;
  /** Most memory (bytes) that the run's processes held at once, page cache included. Known with cgroups, of a run with limits. */
  readonly peakBytes: number | null;
  readonly enforcement: { readonly memory: Enforcement; readonly processes: Enforcement };
}

/** What the programs of one job reach beside what all jobs do. */
export interface JobWays {
  /** `host:port`, an IPv6 address in brackets, whatever network it is in: by `network: "proxy"`. */
  readonly reach: string;
  /** A Unix socket of the caller's. */
  readonly socket: string;
}

/** A user and a directory for one attempt of a job; all of it goes with `dispose`. */
export interface IsolatedJob {
  readonly id: string;
  /** The job's directory as its programs see it. The agent never reads it: results come by stdout. */
  readonly inside: string;
  /** The same directory on the host, the agent cannot enter it. */
  readonly outside: string;
  /** Where the `files` of a run are, as its program sees it. */
  readonly secrets: string;
  /** The socket of its `JobWays`, as its programs see it; null without. */
  readonly agentSocket: string | null;
  /** Words of a program there that joins its stdin and stdout to host and port, given behind them; null: nothing is closed off. */
  readonly connect: readonly string[] | null;
  /** The store that its programs use, as NIX_REMOTE names it. */
  readonly remote: string;
  run(request: SandboxRun): Promise<SandboxResult>;
  /** Builds that the runner itself has ended lately, and why, by the derivation's base name. */
  endings(): Promise<ReadonlyMap<string, BuildEnding>>;
  /** Ends what still runs and removes the directory; resolves when nothing is left. */
  dispose(): Promise<void>;
}
