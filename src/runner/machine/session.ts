import type { ProcessEnd, RunningProcess } from "../process/index.ts";
import { start } from "../process/index.ts";
import type { Answer } from "./answer.ts";
import { neverAsked, readAnswer } from "./answer.ts";
import type { MachineOptions } from "./machine.ts";
import type { Ssh } from "./ssh.ts";

/** A connection that nobody asked anything of for this long is closed, in milliseconds. */
const IDLE_MS = 10_000;
/** Of the last words of ssh that are kept. */
const STDERR_CHARACTERS = 4_096;
const LAST_LINE = /^end .*\n/mu;
/** The program is there and listens: what is sent from here on may be done, whether or not its answer arrives. */
const READY = /^snowcat-session \d+\n/mu;
const WHOLE = {
  exitCode: 0,
  signal: null,
  durationMs: 0,
  timedOut: false,
  cancelled: false,
  startFailure: null,
};

/** One connection for verbs, one after the other. */
export class Session {
  readonly #child: RunningProcess;
  #heard = "";
  #complaints = "";
  #timedOut = false;
  #awaited = READY;
  #listen: (() => void) | null = null;
  #ready = false;
  #forced = false;
  #idle: NodeJS.Timeout | undefined;
  #state: "free" | "busy" | "over" = "free";

  constructor(ssh: Ssh, { env, signal }: MachineOptions) {
    this.#child = start(ssh.argv(["session"]), {
      env,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#child.stdin?.write(ssh.preamble);
    const decoder = new TextDecoder();
    this.#child.stdout?.on("data", (chunk: Uint8Array) => {
      this.#heard += decoder.decode(chunk, { stream: true });
      if (this.#awaited.test(this.#heard)) this.#listen?.();
    });
    this.#child.stderr?.on("data", (chunk: Uint8Array) => {
      this.#complaints += Buffer.from(chunk).toString("utf8");
      this.#complaints = this.#complaints.slice(-STDERR_CHARACTERS);
    });
    void this.#child.ended.then(() => {
      this.#state = "over";
      clearTimeout(this.#idle);
    });
  }

  /** Whether it can be asked now. */
  get free(): boolean {
    return this.#state === "free";
  }

  /** Whether a program that is installed there answers in place of the one that is sent. */
  get forced(): boolean {
    return this.#forced;
  }

  get busy(): boolean {
    return this.#state === "busy";
  }

  /** @param limitMs after which the connection is given up, with the answer */
  async ask(verb: readonly string[], input: string, limitMs: number): Promise<Answer> {
    this.#state = "busy";
    clearTimeout(this.#idle);
    const limit = setTimeout(() => {
      this.#timedOut = true;
      this.#child.terminate();
    }, limitMs);
    const answer = await this.#asked(verb, input);
    clearTimeout(limit);
    if (this.#state === "busy") {
      this.#state = "free";
      this.rest();
    }
    return answer;
  }

  /** From now on it is kept for a while. */
  rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), IDLE_MS);
  }

  async #asked(verb: readonly string[], input: string): Promise<Answer> {
    if (!this.#ready) {
      const end = await this.#hears(READY);
      if (end !== null) {
        // A key of which a program is the forced command: it answers what it takes for its verb.
        const answer = readAnswer(this.#heard, this.#complaints, end);
        this.#forced = answer.kind === "refused";
        return this.#forced ? answer : neverAsked(this.#complaints, end);
      }
      this.#ready = true;
    }
    this.#heard = "";
    const bytes = Buffer.byteLength(input);
    const line = verb.join(" ");
    this.#child.stdin?.write(bytes === 0 ? `${line}\n` : `@${bytes} ${line}\n${input}`);
    const end = await this.#hears(LAST_LINE);
    const answer = readAnswer(this.#heard, this.#complaints, end ?? WHOLE);
    return answer.kind === "unreachable" ? { kind: "lost", why: answer.why } : answer;
  }

  /** Null as soon as it was heard; else how the connection ended before. */
  async #hears(pattern: RegExp): Promise<ProcessEnd | null> {
    this.#awaited = pattern;
    const heard = new Promise<null>((resolve) => {
      this.#listen = () => resolve(null);
    });
    if (pattern.test(this.#heard)) this.#listen?.();
    const end = await Promise.race([heard, this.#child.ended]);
    this.#listen = null;
    return end === null ? null : { ...end, timedOut: end.timedOut || this.#timedOut };
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#state = "over";
    this.#child.stdin?.end();
  }

  async closed(): Promise<void> {
    this.close();
    await this.#child.ended;
  }
}
