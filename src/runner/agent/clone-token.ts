import { CloneToken } from "../../protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import type { Redaction } from "../redaction/index.ts";

/** Asks for the job's clone token; it is masked from here on. The attempt's own token travels in a header only. */
export async function fetchCloneToken(
  url: string,
  token: string,
  redaction: Redaction,
  signal: AbortSignal,
): Promise<string> {
  const answer = await fetch(new URL(RUNNER_ROUTE.token, url), {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
  });
  if (!answer.ok)
    throw new Error(
      `no clone token: ${new URL(url).origin} answered ${answer.status} ${(await answer.text()).trim().slice(0, 200)}`,
    );
  const parsed = CloneToken.parse(await answer.json());
  redaction.secret(parsed.token);
  return parsed.token;
}
