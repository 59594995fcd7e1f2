import * as z from "zod";
import { Pool, RunnerId } from "./identifiers.ts";

/** `POST /operator/codes`, with the operator's secret as bearer: mints an enrolment code. */
export const CodeRequest = z.strictObject({
  account: z.int().positive(),
  pool: Pool,
  /** Runner class: a name the operator chooses. */
  class: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/u),
  /** Numeric ids of the repositories it may serve; null is every repository of the account. */
  repositories: z.array(z.int().positive()).max(1_000).nullable(),
  /** How long the code is good for (s). */
  validSeconds: z.int().positive().max(86_400).default(900),
});
export type CodeRequest = z.infer<typeof CodeRequest>;
export const CodeReply = z.strictObject({ code: z.string(), expiresAt: z.int() });

/** `POST /runner/enrol`: single use of a code. The key pair is the runner's own; only the public half travels. */
export const EnrolmentRequest = z.strictObject({
  code: z.string().max(512),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u),
  /** Ed25519 public key, raw 32 bytes, base64. */
  publicKey: z.string().max(64),
});
export type EnrolmentRequest = z.infer<typeof EnrolmentRequest>;

export const EnrolmentReply = z.strictObject({
  runner: RunnerId,
  host: z.string(),
  account: z.int().positive(),
  pool: Pool,
  class: z.string(),
  repositories: z.array(z.int().positive()).nullable(),
  /** Keys that sign specifications: Ed25519 public keys, raw, base64; at most two. */
  specificationKeys: z.array(z.string()).min(1).max(2),
});
export type EnrolmentReply = z.infer<typeof EnrolmentReply>;

/** The runner's own clock may differ from the control plane's by this much (ms). */
export const CLOCK_SKEW = 120_000;

/**
 * What a runner signs to open its control socket (`GET /runner/socket`). The header is
 * `Authorization: Snowcat <account>.<runner>.<time>.<nonce>.<signature>`: time in ms, nonce 16 bytes hex, the signature
 * base64url (Ed25519) over this text. A nonce is good once within the skew.
 */
export function connectText(connect: {
  host: string;
  account: number;
  runner: string;
  time: number;
  nonce: string;
}): string {
  return [
    "snowcat-connect-1",
    connect.host,
    connect.account,
    connect.runner,
    connect.time,
    connect.nonce,
  ].join("\n");
}

/** `POST /runner/token` (bearer: the attempt's token): a read-only token for fetching the job's repository. */
export const CloneToken = z.strictObject({ token: z.string(), expiresAt: z.int() });
export type CloneToken = z.infer<typeof CloneToken>;

/** `POST /runner/inputs` (bearer: the attempt's token): a read-only token for the listed private inputs. */
export const InputToken = z.strictObject({
  /** Null where the job gets none: an untrusted change, or nothing is listed, or nothing of it can be opened. */
  token: z.string().nullable(),
  expiresAt: z.int(),
  /** `owner/name` of all that it opens. */
  repositories: z.array(z.string().max(256)).max(64),
  /** Listed and not opened, with the reason for people. */
  refused: z
    .array(z.strictObject({ repository: z.string().max(256), why: z.string().max(512) }))
    .max(64),
});
export type InputToken = z.infer<typeof InputToken>;
