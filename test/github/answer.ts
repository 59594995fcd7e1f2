/** What a handler answers. `raw` bytes win over `body`, which is sent as JSON. */
export interface Answer {
  status: number;
  body?: unknown;
  raw?: Buffer;
  headers?: Record<string, string>;
}

/** A refusal in GitHub's words; thrown by look-ups, turned into an answer at one place (server.ts). */
export class Refused extends Error {
  readonly status: number;
  readonly extra: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    message: string,
    extra: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ) {
    super(message);
    this.status = status;
    this.extra = extra;
    this.headers = headers;
  }
}

export const ok = (body: unknown): Answer => ({ status: 200, body });
export const created = (body: unknown): Answer => ({ status: 201, body });
export const noContent = (): Answer => ({ status: 204 });

export const notFound = (): Refused => new Refused(404, "Not Found");
export const notAccessible = (): Refused =>
  new Refused(403, "Resource not accessible by integration");
export const invalid = (message: string): Refused =>
  new Refused(422, `Validation Failed: ${message}`, { errors: [{ message }] });

export function answerOf(refused: Refused): Answer {
  return {
    status: refused.status,
    body: {
      message: refused.message,
      documentation_url: "https://docs.github.com/rest",
      status: String(refused.status),
      ...refused.extra,
    },
    headers: refused.headers,
  };
}
