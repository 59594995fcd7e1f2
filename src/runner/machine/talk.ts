import { run } from "../process/index.ts";
import type { Answer, Facts } from "./answer.ts";
import { readAnswer } from "./answer.ts";
import type { MachineOptions, Reply } from "./machine.ts";
import { Session } from "./session.ts";
import type { Ssh } from "./ssh.ts";

/** Of a verb that is not told another, in seconds. */
const VERB_SECONDS = 60;
/** An answer is at most a list of paths. */
const MAX_ANSWER = 32 * 1024 * 1024;

export interface AskOptions {
  /** What the verb reads. */
  readonly input?: string;
  /** That the verb itself may take, the connection apart. */
  readonly seconds?: number;
  /** Whether it must go over a connection that nothing went over before. */
  readonly anew?: boolean;
  /** Whether asking twice is as good as once: then a connection that died unnoticed since the last verb is not the end. */
  readonly repeatable?: boolean;
}

/** Sends verbs and reads their answers; they share a connection, as long as it lasts. */
export class Talk {
  readonly ssh: Ssh;
  readonly options: MachineOptions;
  #session: Session | null = null;
  readonly #leaving = new Set<Promise<void>>();
  /** The key has a program of its own there, such as one that may only look. */
  #forced = false;

  constructor(ssh: Ssh, options: MachineOptions) {
    this.ssh = ssh;
    this.options = options;
  }

  async ask<T>(
    verb: readonly string[],
    read: (facts: Facts) => T,
    options: AskOptions = {},
  ): Promise<Reply<T>> {
    const began = performance.now();
    const { connectSeconds, verbSeconds = VERB_SECONDS } = this.options;
    const limitMs = (connectSeconds + (options.seconds ?? verbSeconds)) * 1_000;
    const { input = "", anew = false, repeatable = false } = options;
    const used = this.#session;
    const first = await this.#answer(verb, input, limitMs, anew);
    const died = first.kind === "lost" && !anew && used !== null && used === this.#session;
    const second = died && repeatable ? await this.#answer(verb, input, limitMs, true) : null;
    // A second that never came to be asked says nothing of the first.
    const answer = second === null || second.kind === "unreachable" ? first : second;
    return this.reply(verb, answer, read, began);
  }

  async #answer(
    verb: readonly string[],
    input: string,
    limitMs: number,
    anew: boolean,
  ): Promise<Answer> {
    const session = this.#sessionFor(anew);
    if (session === null) return await this.#once(verb, input, limitMs);
    const answer = await session.ask(verb, input, limitMs);
    if (!session.forced) return answer;
    this.#forced = true;
    return await this.#once(verb, input, limitMs);
  }

  /** The next verb finds a connection, unless it comes much later. */
  open(): void {
    this.#sessionFor(false)?.rest();
  }

  async close(): Promise<void> {
    this.#leave();
    await Promise.all(this.#leaving);
    await this.ssh.close();
  }

  /** Null where the verb has to go alone: beside another one, or to a program that was installed for single verbs. */
  #sessionFor(anew: boolean): Session | null {
    if (!this.ssh.sessions || this.#forced || this.options.signal?.aborted === true) return null;
    if (anew) this.#leave();
    if (this.#session?.free === true) return this.#session;
    if (this.#session?.busy === true) return null;
    this.#session = new Session(this.ssh, this.options);
    return this.#session;
  }

  #leave(): void {
    if (this.#session === null) return;
    const leaving = this.#session.closed();
    this.#session = null;
    this.#leaving.add(leaving);
    void leaving.then(() => this.#leaving.delete(leaving));
  }

  async #once(verb: readonly string[], input: string, timeoutMs: number): Promise<Answer> {
    const { signal, env } = this.options;
    const result = await run(this.#forced ? this.ssh.installed(verb) : this.ssh.argv(verb), {
      env,
      input: this.#forced ? input : `${this.ssh.preamble}${input}`,
      timeoutMs,
      maxOutput: MAX_ANSWER,
      ...(signal === undefined ? {} : { signal }),
    });
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return readAnswer(text(result.stdout), text(result.stderr), result);
  }

  /** @param began by `performance.now()` */
  reply<T>(
    verb: readonly string[],
    answer: Answer,
    read: (facts: Facts) => T,
    began: number,
  ): Reply<T> {
    const say = (how: string) =>
      this.options.say?.(`${verb[0]}: ${how} (${Math.round(performance.now() - began)} ms)`);
    if (answer.kind !== "answer") {
      say(`${answer.kind}: ${answer.why}`);
      return answer;
    }
    try {
      const value = read(answer.facts);
      say("done");
      return { kind: "done", value };
    } catch (error) {
      // A machine is no part of ours: what it says may be anything.
      const why = `the machine's answer makes no sense: ${error instanceof Error ? error.message : String(error)}`;
      say(why);
      return { kind: "failed", why, log: "" };
    }
  }
}
