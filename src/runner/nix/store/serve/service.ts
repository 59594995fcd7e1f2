import { PassThrough } from "node:stream";
import { clean } from "../../log/clean.ts";
import type { Launch } from "../../launch.ts";
import { describeLaunch, text } from "../../launch.ts";
import type { Question } from "./protocol.ts";
import { GREETING } from "./protocol.ts";
import { Incoming } from "./wire.ts";

/** Bytes of one answer: 10,000 paths with the references of large systems take 20 MB. */
const ANSWER = 512 * 1_024 * 1_024;
/** What is kept of its complaints (bytes). */
const COMPLAINT = 4_096;
/** A process that dies is begun anew for the question that it left open, so often in all. */
const TRIES = 2;

interface Process {
  readonly stdin: PassThrough;
  readonly incoming: Incoming;
  /** Ends it, because what it says is no answer. */
  readonly stop: AbortController;
}

/**
 * One `nix-store --serve` for all questions of a job to its store. It is started with the first one and ends with the job: a
 * process in its sandbox costs more than most questions.
 */
export class StoreService {
  readonly #launch: Launch;
  readonly #remote: string;
  #process: Process | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** @param remote the store as NIX_REMOTE names it. */
  constructor(launch: Launch, remote: string) {
    this.#launch = launch;
    // What became valid a moment ago is valid, and what went is not: it must not remember what it was told before.
    this.#remote = `${remote}${remote.includes("?") ? "&" : "?"}path-info-cache-size=0`;
  }

  /** One question after the other. Rejects when the store cannot be asked. */
  async ask<T>(question: Question<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const turn = this.#last.then(() => {
      signal.throwIfAborted();
      return this.#tried(question, TRIES);
    });
    this.#last = turn.catch(() => {});
    return await unlessAborted(turn, signal);
  }

  async #tried<T>(question: Question<T>, tries: number): Promise<T> {
    try {
      const process = this.#process ?? (await this.#start());
      return await answerOf(process, question);
    } catch (cause) {
      if (tries > 1) return await this.#tried(question, tries - 1);
      throw new Error(
        `asking the store: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  }

  async #start(): Promise<Process> {
    const process = {
      stdin: new PassThrough(),
      incoming: new Incoming(),
      stop: new AbortController(),
    };
    this.#process = process;
    // What is written to one that has gone is answered by its end.
    process.stdin.on("error", () => {});
    const gone = (why: string, cause?: unknown): void => {
      if (this.#process === process) this.#process = null;
      process.stdin.end();
      process.incoming.end(new Error(`nix-store --serve ${why}`, { cause }));
    };
    process.stop.signal.addEventListener("abort", () => gone("was stopped"));
    this.#launch({
      argv: ["nix-store", "--serve"],
      env: { NIX_REMOTE: this.#remote },
      network: "none",
      input: process.stdin,
      maxOutput: COMPLAINT,
      graceMs: 0,
      signal: process.stop.signal,
      onStdout: (chunk) => process.incoming.push(chunk),
    }).then(
      (result) =>
        gone(`${describeLaunch(result)}: ${clean(text(result.stderr)).trim().slice(-500)}`),
      (error: unknown) =>
        gone(`could not be run: ${error instanceof Error ? error.message : String(error)}`, error),
    );
    await answerOf(process, GREETING);
    return process;
  }
}

async function answerOf<T>(
  { stdin, incoming, stop }: Process,
  { request, answer }: Question<T>,
): Promise<T> {
  try {
    if (!incoming.isEmpty) throw new Error("nix-store --serve said something unasked");
    stdin.write(request);
    return await incoming.read(answer(), ANSWER);
  } catch (error) {
    // Whatever follows could not be read any more.
    stop.abort();
    throw error;
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  return promise;
}
