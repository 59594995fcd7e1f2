import { run } from "../process/index.ts";
import type { Answer, Facts } from "./answer.ts";
import { readAnswer } from "./answer.ts";
import type { MachineOptions, Reply } from "./machine.ts";
import type { Ssh } from "./ssh.ts";

/** Of a verb that is not told another, in seconds. */
const VERB_SECONDS = 60;
/** An answer is at most a list of paths. */
const MAX_ANSWER = 32 * 1024 * 1024;

/** One verb each: connects, sends, reads the answer. */
export class Talk {
  readonly ssh: Ssh;
  readonly options: MachineOptions;

  constructor(ssh: Ssh, options: MachineOptions) {
    this.ssh = ssh;
    this.options = options;
  }

  /** @param seconds that the verb itself may take, the connection apart */
  async ask<T>(
    verb: readonly string[],
    read: (facts: Facts) => T,
    { input = "", seconds }: { input?: string; seconds?: number } = {},
  ): Promise<Reply<T>> {
    const { connectSeconds, verbSeconds = VERB_SECONDS, signal, env } = this.options;
    const began = performance.now();
    const result = await run(this.ssh.argv(verb), {
      env,
      input: `${this.ssh.preamble}${input}`,
      timeoutMs: (connectSeconds + (seconds ?? verbSeconds)) * 1_000,
      maxOutput: MAX_ANSWER,
      ...(signal === undefined ? {} : { signal }),
    });
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const answer = readAnswer(text(result.stdout), text(result.stderr), result);
    return this.reply(verb, answer, read, began);
  }

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
