import { request } from "node:http";

/** What a cluster's API says. A refusal of its own is `answered` with its status; see `describeAnswer`. */
export type Answer =
  | { readonly kind: "answered"; readonly status: number; readonly body: unknown }
  /** The request did not arrive, or its answer did not: what it asked for may have been done. */
  | { readonly kind: "lost"; readonly why: string };

export interface ClusterApi {
  /** @param path with its query; `body` is sent as JSON. */
  ask(
    method: "GET" | "POST" | "PUT",
    path: string,
    body?: unknown,
    seconds?: number,
  ): Promise<Answer>;
}

const MAX_ANSWER = 16 * 1024 * 1024;
/** Of `kubectl proxy`, for a cluster that it cannot reach. */
const GATEWAY = new Set([502, 503, 504]);

/** @param socket of `kubectl proxy`. */
export function clusterApi(socket: string, seconds: number): ClusterApi {
  return {
    ask: (method, path, body, limit = seconds) =>
      new Promise((resolve) => {
        const sent = body === undefined ? null : Buffer.from(JSON.stringify(body));
        const lost = (why: string): void => resolve({ kind: "lost", why });
        const asking = request(
          {
            socketPath: socket,
            method,
            path,
            timeout: limit * 1_000,
            headers: {
              host: "localhost",
              accept: "application/json",
              ...(sent === null
                ? {}
                : { "content-type": "application/json", "content-length": sent.length }),
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            let bytes = 0;
            response.on("data", (chunk: Buffer) => {
              bytes += chunk.length;
              if (bytes > MAX_ANSWER)
                response.destroy(new Error(`an answer of more than ${MAX_ANSWER} bytes`));
              else chunks.push(chunk);
            });
            response.on("error", (error) => lost(error.message));
            response.on("end", () => {
              const text = Buffer.concat(chunks).toString("utf8");
              const status = response.statusCode ?? 0;
              const parsed = parse(text);
              if (GATEWAY.has(status) && typeof parsed !== "object")
                return lost(text.slice(0, 400) || `status ${status}`);
              resolve({ kind: "answered", status, body: parsed });
            });
          },
        );
        asking.on("timeout", () => asking.destroy(new Error(`no answer within ${limit} s`)));
        asking.on("error", (error) => lost(error.message));
        asking.end(sent ?? undefined);
      }),
  };
}

/** The API's own words for a refusal (`Status.message`), or the status. */
export function describeAnswer(answer: Answer): string {
  if (answer.kind === "lost") return `the cluster's API cannot be reached: ${answer.why}`;
  const { body, status } = answer;
  const message =
    typeof body === "object" && body !== null && "message" in body ? body.message : null;
  return typeof message === "string" ? `${message} (${status})` : `status ${status}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not everything that a cluster serves is JSON.
    return text;
  }
}
