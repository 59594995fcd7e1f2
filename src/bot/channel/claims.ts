import * as z from "zod";
import { AttemptNumber, JobId, RunId, RunnerId } from "../../protocol/identifiers.ts";

/** Whom an attempt's token speaks for. Verified by the Worker, forwarded to the object, compared there. */
export const AttemptClaims = z.strictObject({
  host: z.string().max(255),
  account: z.int().positive(),
  installation: z.int().positive(),
  /** Numeric id. */
  repository: z.int().positive(),
  run: RunId,
  job: JobId,
  attempt: AttemptNumber,
  runner: RunnerId,
  /** The runner's Ed25519 key as enrolled: raw, base64. What it builds must be signed with it. */
  key: z.string().max(64),
  /** Unix time (ms). */
  expiresAt: z.int(),
});
export type AttemptClaims = z.infer<typeof AttemptClaims>;

const HEADER = "x-snowcat-claims";

/** The request to hand to an object: only the upgrade and the verified claims; nothing else of the caller's headers. */
export function withClaims(url: string, claims: AttemptClaims): Request {
  return new Request(url, { headers: { upgrade: "websocket", [HEADER]: JSON.stringify(claims) } });
}

/** Claims of a forwarded request. Objects are reachable through the Worker only, which set them; a bug throws. */
export function claimsOf(request: Request): AttemptClaims {
  const text = request.headers.get(HEADER);
  if (text === null) throw new Error("a data channel was forwarded without claims");
  return AttemptClaims.parse(JSON.parse(text));
}
