import type * as z from "zod";
import { CloneToken, InputToken } from "../../protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import type { Redaction } from "../redaction/index.ts";
import type { Clock } from "./clock.ts";

/** A control plane that is away is asked again for this long (ms): an outage is no fault of the job. */
const PATIENCE = 30 * 60_000;
/** Between two questions (ms): doubling. */
const PAUSE = { first: 1_000, most: 30_000 } as const;

export type TokenQuestion = {
  url: string;
  /** The attempt's own; travels in a header only. */
  token: string;
  redaction: Redaction;
  signal: AbortSignal;
  clock: Clock;
};

type Asked<T> = { ok: true; answer: T } | { ok: false; again: boolean; why: string };

/**
 * Asks for the job's clone token; it is masked from here on.
 *
 * @throws when it is refused, when the job is told to stop, or when the control plane stays away for 30 minutes.
 */
export async function fetchCloneToken(question: TokenQuestion): Promise<string> {
  const { token } = await patiently(question, RUNNER_ROUTE.token, CloneToken, "clone token");
  question.redaction.secret(token);
  return token;
}

/** Asks for the token of the listed private inputs; masked and refused as the clone token is. */
export async function fetchInputToken(question: TokenQuestion): Promise<InputToken> {
  const answer = await patiently(
    question,
    RUNNER_ROUTE.inputs,
    InputToken,
    "token for private inputs",
  );
  if (answer.token !== null) question.redaction.secret(answer.token);
  return answer;
}

async function patiently<T>(
  question: TokenQuestion,
  route: string,
  schema: z.ZodType<T>,
  what: string,
): Promise<T> {
  const { signal, clock } = question;
  const until = clock.now() + PATIENCE;
  for (let pause: number = PAUSE.first; ; pause = Math.min(PAUSE.most, 2 * pause)) {
    const asked = await ask(question, route, schema);
    if (asked.ok) return asked.answer;
    signal.throwIfAborted();
    if (!asked.again || clock.now() + pause > until) throw new Error(`no ${what}: ${asked.why}`);
    await waited(clock, pause, signal);
  }
}

async function ask<T>(
  { url, token, signal }: TokenQuestion,
  route: string,
  schema: z.ZodType<T>,
): Promise<Asked<T>> {
  const { origin } = new URL(url);
  try {
    const answer = await fetch(new URL(route, url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
    });
    if (answer.ok) return { ok: true, answer: schema.parse(await answer.json()) };
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
