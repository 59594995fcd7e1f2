import { exports } from "cloudflare:workers";
import { env } from "./env.ts";

/** A signed POST, as GitHub makes it. Bytes as given, or the JSON of a value. */
export async function deliver(
  event: string,
  payload: unknown,
  over: { id?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  const body =
    payload instanceof Uint8Array
      ? payload
      : new TextEncoder().encode(typeof payload === "string" ? payload : JSON.stringify(payload));
  return exports.default.fetch("https://snowcat.test/github/webhook", {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": over.id ?? crypto.randomUUID(),
      "x-hub-signature-256": await sign(env.GITHUB_WEBHOOK_SECRET, body),
      ...over.headers,
    },
  });
}

export async function sign(secret: string, body: Uint8Array): Promise<string> {
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", key, body));
  return `sha256=${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
