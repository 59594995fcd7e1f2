import { Readable } from "node:stream";
import { collect } from "./collect.ts";
import type { ProcessResult } from "./result.ts";
import type { StartOptions } from "./start.ts";
import { start } from "./start.ts";

/** Bytes kept of each output stream unless the caller says otherwise. */
export const MAX_OUTPUT = 16 * 1024 * 1024;

/** A process that left its outputs open to others is given this long to say more, in milliseconds. */
const DRAIN_MS = 5_000;

export interface RunOptions extends Omit<StartOptions, "stdio"> {
  /** Written to stdin as it comes, which is then closed; without it stdin is /dev/null. */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Bytes kept of each stream; the rest is still read and given to the callbacks. */
  readonly maxOutput?: number;
  readonly onStdout?: (chunk: Uint8Array) => void;
  readonly onStderr?: (chunk: Uint8Array) => void;
}

/** Runs a program to its end. Never rejects for what the program does; see `ProcessResult`. */
export async function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const { input, maxOutput = MAX_OUTPUT, onStdout, onStderr, ...startOptions } = options;
  const child = start(argv, {
    ...startOptions,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  if (typeof input === "string" || input instanceof Uint8Array) child.stdin?.end(input);
  else if (input !== undefined && child.stdin) Readable.from(input).pipe(child.stdin);
  const stdout = collect(child.stdout, maxOutput, onStdout);
  const stderr = collect(child.stderr, maxOutput, onStderr);
  void child.exited.then(() => closeWhenQuiet([child.stdout, child.stderr]));
  const end = await child.ended;
  return {
    ...end,
    stdout: stdout.bytes(),
    stderr: stderr.bytes(),
    truncated: stdout.truncated() || stderr.truncated(),
  };
}

/** A grandchild that inherited an output must not keep a finished process from ending. */
function closeWhenQuiet(streams: readonly (Readable | null)[]): void {
  for (const stream of streams) {
    if (!stream || stream.destroyed || stream.readableEnded) continue;
    const timer = setTimeout(() => stream.destroy(), DRAIN_MS);
    stream.on("data", () => timer.refresh());
    stream.once("close", () => clearTimeout(timer));
  }
}
