import { CloneToken } from "../../protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import type { Redaction } from "../redaction/index.ts";
import type { Clock } from "./clock.ts";

/** A control plane that is away is asked again for this long (ms): an outage is no fault of the job. */
const PATIENCE = 30 * 60_000;
/** Between two questions (ms): doubling. */
const PAUSE = { first: 1_000, most: 30_000 } as const;

type Asked = { ok: true; token: string } | { ok: false; again: boolean; why: string };

/**
 * Asks for the job's clone token; it is masked from here on. The attempt's own token travels in a header only.
 *
 * @throws when it is refused, when the job is told to stop, or when the control plane stays away for 30 minutes.
 */
export async function fetchCloneToken(options: {
  url: string;
  token: string;
  redaction: Redaction;
  signal: AbortSignal;
  clock: Clock;
}): Promise<string> {
  const { redaction, signal, clock } = options;
  const until = clock.now() + PATIENCE;
  for (let pause: number = PAUSE.first; ; pause = Math.min(PAUSE.most, 2 * pause)) {
    const asked = await ask(options);
    if (asked.ok) {
      redaction.secret(asked.token);
      return asked.token;
    }
    signal.throwIfAborted();
    if (!asked.again || clock.now() + pause > until)
      throw new Error(`no clone token: ${asked.why}`);
    await waited(clock, pause, signal);
  }
}

async function ask(options: { url: string; token: string; signal: AbortSignal }): Promise<Asked> {
  const { url, token, signal } = options;
  const { origin } = new URL(url);
  try {
    const answer = await fetch(new URL(RUNNER_ROUTE.token, url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
    });
    if (answer.ok) return { ok: true, token: CloneToken.parse(await answer.json()).token };
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
