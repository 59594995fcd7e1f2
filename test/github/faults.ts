import type { Answer } from "./answer.ts";

/**
 * - `timeout`: nothing is done and nothing is ever answered; the client must give up.
 * - `drop`: nothing is done, the connection is cut.
 * - `drop-after-commit`: the operation is done, then the connection is cut without an answer.
 */
export type FaultKind =
  | "403-secondary"
  | "403-primary"
  | "429"
  | "500"
  | "502"
  | "503"
  | "timeout"
  | "drop"
  | "drop-after-commit";

export interface FaultOptions {
  match: { method?: string; path?: RegExp; operationId?: string };
  kind: FaultKind;
  /** How many matching requests it hits; default 1. */
  times?: number;
  /** How many matching requests pass first; default 0. */
  after?: number;
  /** Seconds in Retry-After (secondary limits and 429); default 60. */
  retryAfter?: number;
}

export interface FaultHandle {
  readonly hits: number;
  clear(): void;
}

interface Armed extends FaultOptions {
  left: number;
  skip: number;
  hits: number;
}

export class Faults {
  #armed: Armed[] = [];

  add(options: FaultOptions): FaultHandle {
    const armed: Armed = {
      ...options,
      left: options.times ?? 1,
      skip: options.after ?? 0,
      hits: 0,
    };
    this.#armed.push(armed);
    return {
      get hits() {
        return armed.hits;
      },
      clear: () => {
        this.#armed = this.#armed.filter((one) => one !== armed);
      },
    };
  }

  /** The fault this request runs into, consumed. */
  take(request: { method: string; path: string; operationId?: string }): FaultOptions | undefined {
    for (const one of this.#armed) {
      const { method, path, operationId } = one.match;
      if (method !== undefined && method !== request.method) continue;
      if (path !== undefined && !path.test(request.path)) continue;
      if (operationId !== undefined && operationId !== request.operationId) continue;
      if (one.left === 0) continue;
      if (one.skip > 0) {
        one.skip--;
        continue;
      }
      one.left--;
      one.hits++;
      return one;
    }
    return undefined;
  }
}

/** The answer of a fault that has one. `resetAt` is in seconds. */
export function answerOfFault(fault: FaultOptions, resetAt: number): Answer | null {
  const retry = { "retry-after": String(fault.retryAfter ?? 60) };
  switch (fault.kind) {
    case "403-secondary":
      return {
        status: 403,
        headers: retry,
        body: {
          message:
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
          documentation_url:
            "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
        },
      };
    case "403-primary":
      return {
        status: 403,
        headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(resetAt) },
        body: {
          message: "API rate limit exceeded for installation.",
          documentation_url: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
        },
      };
    case "429":
      return { status: 429, headers: retry, body: { message: "Too many requests" } };
    case "500":
      return { status: 500, body: { message: "Internal Server Error" } };
    case "502":
      return {
        status: 502,
        headers: { "content-type": "text/html" },
        raw: Buffer.from("<html><body>502 Bad Gateway</body></html>"),
      };
    case "503":
      return { status: 503, body: { message: "Service Unavailable" } };
    case "timeout":
    case "drop":
    case "drop-after-commit":
      return null;
    default:
      return fault.kind satisfies never;
  }
}
