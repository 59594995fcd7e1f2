import type { ProcessEnd } from "../process/index.ts";
import { describeEnd } from "../process/index.ts";
import type { MachineFault } from "./machine.ts";
import { REFUSALS } from "./machine.ts";

/** What the program said, line by line: a key and its words. */
export class Facts {
  readonly #lines: readonly (readonly string[])[];

  constructor(lines: readonly (readonly string[])[]) {
    this.#lines = lines;
  }

  /** The words behind the last line with this key. */
  words(key: string): readonly string[] | null {
    return this.#lines.findLast(([first]) => first === key)?.slice(1) ?? null;
  }

  has(key: string): boolean {
    return this.words(key) !== null;
  }

  /** One word; `-` and a missing line are null. */
  word(key: string): string | null {
    const word = this.words(key)?.[0];
    return word === undefined || word === "-" ? null : word;
  }

  number(key: string, at = 0): number | null {
    const word = this.words(key)?.[at];
    return word !== undefined && /^\d{1,18}$/u.test(word) ? Number(word) : null;
  }

  /** Text of any content. */
  text(key: string): string | null {
    const word = this.words(key)?.[0];
    return word === undefined ? null : decoded(word);
  }

  each(key: string): readonly (readonly string[])[] {
    return this.#lines.filter(([first]) => first === key).map(([, ...words]) => words);
  }
}

export type Answer = { readonly kind: "answer"; readonly facts: Facts } | MachineFault;

const HEAD = /^snowcat-machine (\d+)$/u;
const VERSION = "1";

/**
 * An answer of the program. What a login shell says before it is passed over; without its last line it was cut, and the verb
 * may have been done all the same.
 */
export function readAnswer(stdout: string, stderr: string, end: ProcessEnd): Answer {
  const lines = stdout.split("\n");
  const head = lines.findIndex((line) => HEAD.test(line));
  if (head === -1) return noAnswer(stderr, end);
  const version = HEAD.exec(lines[head] ?? "")?.[1];
  if (version !== VERSION)
    return {
      kind: "refused",
      code: "not-prepared",
      why: `the program installed there speaks version ${version}, and this runner ${VERSION}: install this runner's`,
    };
  const body = lines.slice(head + 1).map((line) => line.split(" "));
  const last = body.findIndex(([key]) => key === "end");
  // A last line without its newline may be a part of one.
  if (last === -1 || last === body.length - 1)
    return {
      kind: "lost",
      why: `the connection ended within the answer: ${whyEnded(stderr, end)}`,
    };
  const [, how, first = "", second = ""] = body[last] ?? [];
  if (how === "ok") return { kind: "answer", facts: new Facts(body.slice(0, last)) };
  if (how === "failed") return { kind: "failed", why: decoded(first), log: decoded(second) };
  const code = REFUSALS.find((known) => known === first);
  return { kind: "refused", code: code ?? "bad-request", why: decoded(second) };
}

/** What ssh says when it has come to no session at all. Whatever else ended a connection may have ended it later. */
const NEVER_BEGUN =
  /^(?:ssh: |Host key verification failed|No .* host key is known|\S+: Permission denied \(|.*UNPROTECTED PRIVATE KEY)/mu;

function noAnswer(stderr: string, end: ProcessEnd): MachineFault {
  const why = whyEnded(stderr, end);
  if (end.startFailure !== null || (end.exitCode === 255 && NEVER_BEGUN.test(stderr)))
    return { kind: "unreachable", why };
  // 255 is ssh's own; everything else is what the machine's shell said.
  if (end.exitCode === 255 || end.exitCode === null || end.timedOut || end.cancelled)
    return { kind: "lost", why };
  return { kind: "failed", why: `the program did not start on the machine: ${why}`, log: "" };
}

/** How a connection ended over which no verb was sent. */
export function neverAsked(stderr: string, end: ProcessEnd): MachineFault {
  const answer = noAnswer(stderr, end);
  return answer.kind === "failed" ? answer : { kind: "unreachable", why: answer.why };
}

function whyEnded(stderr: string, end: ProcessEnd): string {
  const said = stderr.trim().split("\n").slice(-3).join("; ").slice(0, 1_000);
  return said === "" ? describeEnd(end) : `${said} (${describeEnd(end)})`;
}

function decoded(word: string): string {
  return Buffer.from(word, "base64").toString("utf8");
}
