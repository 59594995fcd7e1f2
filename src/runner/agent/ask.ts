import type { Redaction } from "../redaction/index.ts";
import type { Clock } from "./clock.ts";

/** A control plane that is away is asked again for this long (ms): an outage is no fault of the job. */
const PATIENCE = 30 * 60_000;
/** Between two questions (ms): doubling. */
const PAUSE = { first: 1_000, most: 30_000 } as const;

/** What an attempt asks the control plane as itself. */
export type Question = {
  url: string;
  /** The attempt's own; travels in a header only. */
  token: string;
  redaction: Redaction;
  signal: AbortSignal;
  clock: Clock;
};

export type Request<T> = {
  method: "POST" | "GET" | "PUT";
  route: string;
  body?: string;
  /** What is asked for, in words. */
  what: string;
  read: (answer: Response) => Promise<T>;
};

type Asked<T> = { ok: true; answer: T } | { ok: false; again: boolean; why: string };

/**
 * Asks until there is an answer.
 *
 * @throws when it is refused, when the job is told to stop, or when the control plane stays away for 30 minutes.
 */
export async function patiently<T>(question: Question, request: Request<T>): Promise<T> {
  const { signal, clock } = question;
  const until = clock.now() + PATIENCE;
  for (let pause: number = PAUSE.first; ; pause = Math.min(PAUSE.most, 2 * pause)) {
    const asked = await ask(question, request);
    if (asked.ok) return asked.answer;
    signal.throwIfAborted();
    if (!asked.again || clock.now() + pause > until)
      throw new Error(`no ${request.what}: ${asked.why}`);
    await waited(clock, pause, signal);
  }
}

async function ask<T>(
  { url, token, signal }: Question,
  { method, route, body, read }: Request<T>,
): Promise<Asked<T>> {
  const { origin } = new URL(url);
  try {
    const answer = await fetch(new URL(route, url), {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body }),
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
    });
    if (answer.ok) return { ok: true, answer: await read(answer) };
    const text = (await answer.text()).trim().slice(0, 200);
    return {
      ok: false,
      again: answer.status >= 500 || answer.status === 429,
      why: `${origin} answered ${answer.status} ${text}`,
    };
  } catch (error) {
    return { ok: false, again: true, why: `${origin}: ${describe(error)}` };
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

async function waited(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, done);
    function done() {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
