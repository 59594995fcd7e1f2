import * as z from "zod";
import type { LimitNews } from "../../../core/writer/index.ts";

/** Pause where GitHub asks for silence and does not say how long (ms): what its documentation asks for. */
const SECONDARY_PAUSE = 60_000;

/** What became of a request that did not succeed. */
export type Failure =
  /** The token is not (any more) good. */
  | { kind: "unauthorized" }
  /** Not carried out, because of a limit. */
  | { kind: "limited"; news: LimitNews; reason: string }
  | { kind: "missing" }
  /** Not carried out, and it never will be as it is. */
  | { kind: "refused"; status: number; reason: string }
  /** Nobody knows whether it was carried out. */
  | { kind: "unknown"; reason: string };

type Headers = Readonly<Record<string, string | number | undefined>>;

/** Reads the limits out of an answer's headers. */
export function limits(headers: Headers): LimitNews {
  const reset = number(headers["x-ratelimit-reset"]);
  return {
    remaining: number(headers["x-ratelimit-remaining"]),
    resetAt: reset === null ? null : reset * 1_000,
    retryAt: null,
  };
}

/** Octokit's `RequestError`, by its shape: there is more than one copy of the class. */
const Refusal = z.object({
  name: z.literal("HttpError"),
  message: z.string(),
  status: z.number(),
  response: z
    .object({ headers: z.record(z.string(), z.union([z.string(), z.number()]).optional()) })
    .optional(),
});

/** Sorts what a request threw. A bug of ours is thrown again. */
export function failure(error: unknown, now: number): Failure {
  // An answer that is cut off or is not what GitHub describes says nothing about what was done.
  if (error instanceof z.ZodError)
    return {
      kind: "unknown",
      reason: `unreadable answer: ${z.prettifyError(error)}`.slice(0, 500),
    };
  const read = Refusal.safeParse(error);
  if (!read.success) {
    if (
      error instanceof TypeError ||
      error instanceof DOMException ||
      (error instanceof Error && error.name === "AbortError")
    ) {
      return { kind: "unknown", reason: error.message };
    }
    throw error;
  }
  const { status, response, message } = read.data;
  const headers: Headers = response?.headers ?? {};
  // Octokit gives a request without answer (connection, deadline) the status 500, and no response.
  if (response === undefined || status >= 500 || (status >= 300 && status < 400))
    return { kind: "unknown", reason: `${status}: ${message}`.slice(0, 500) };
  if (status === 401) return { kind: "unauthorized" };
  if (status === 404 || status === 410) return { kind: "missing" };
  if (status === 429 || (status === 403 && isLimit(headers, message))) {
    return {
      kind: "limited",
      news: { ...limits(headers), retryAt: retryAt(headers, now) },
      reason: message.slice(0, 500),
    };
  }
  return { kind: "refused", status, reason: message.slice(0, 1_000) };
}

function isLimit(headers: Headers, message: string): boolean {
  return (
    headers["retry-after"] !== undefined ||
    number(headers["x-ratelimit-remaining"]) === 0 ||
    /rate limit|abuse detection/iu.test(message)
  );
}

function retryAt(headers: Headers, now: number): number {
  const after = number(headers["retry-after"]);
  if (after !== null) return now + Math.max(1, after) * 1_000;
  const reset = number(headers["x-ratelimit-reset"]);
  if (number(headers["x-ratelimit-remaining"]) === 0 && reset !== null)
    return Math.max(now + 1_000, reset * 1_000);
  return now + SECONDARY_PAUSE;
}

function number(value: string | number | undefined): number | null {
  const parsed = value === undefined || value === "" ? Number.NaN : Number(value);
  return Number.isFinite(parsed) ? parsed : null;
}
