import { Octokit } from "@octokit/rest";

/** How long GitHub may take for one answer (ms). */
export const DEADLINE = 10_000;

/** One request that was made, for the log and for whoever counts. */
export type Made = { method: string; path: string; status: number | null; milliseconds: number };

/** Redirects that are followed: a repository that was renamed more than once. */
const HOPS = 3;

/** Where an answer sends us, if it is the same API: the token goes nowhere else. */
function moved(answer: Response, from: URL, method: string): URL | null {
  const location = answer.headers.get("location");
  const repeats =
    answer.status === 307 ||
    answer.status === 308 ||
    ((answer.status === 301 || answer.status === 302) && method === "GET");
  if (location === null || !repeats || !URL.canParse(location, from.href)) return null;
  const to = new URL(location, from);
  return to.origin === from.origin ? to : null;
}

export type ClientOptions = {
  apiUrl: string;
  token: string;
  /** The clock, ms. */
  now: () => number;
  made: (request: Made) => void;
};

/**
 * An Octokit for one token. No plugin that throttles or retries: what to do about a limit or a lost answer is the
 * Writer's decision, because only the Writer knows what the request was for. Every request has a deadline.
 */
export function client({ apiUrl, token, now, made }: ClientOptions): Octokit {
  const counted: typeof fetch = async (input, init) => {
    const method = init?.method ?? "GET";
    const signal = AbortSignal.timeout(DEADLINE);
    let url = new URL(input instanceof Request ? input.url : String(input));
    for (let hops = 0; ; hops += 1) {
      const started = now();
      const done = (status: number | null) =>
        made({ method, path: url.pathname, status, milliseconds: now() - started });
      try {
        const answer = await fetch(url, { ...init, redirect: "manual", signal });
        done(answer.status);
        const next: URL | null = moved(answer, url, method);
        if (next === null || hops === HOPS) return answer;
        await answer.body?.cancel();
        url = next;
      } catch (error) {
        done(null);
        throw error;
      }
    }
  };
  return new Octokit({
    auth: token,
    baseUrl: apiUrl,
    userAgent: "snowcat",
    request: { fetch: counted },
    // Its own log says less than ours, and says it for every expected 404.
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
}
