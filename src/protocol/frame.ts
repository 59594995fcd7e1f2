import * as z from "zod";
import { AttemptNumber, JobId } from "./identifiers.ts";
import { PROTOCOL_VERSION } from "./version.ts";

/** The largest frame either side sends (bytes of JSON text). Workers accept 1 MiB messages by default. */
export const FRAME_BYTES = 900 * 1_024;

/**
 * One WebSocket text message. `seq` is the position in the sender's stream, counted from 1, and 0 for frames that are
 * not kept (hello, renewals, bare acknowledgements); `ack` is the highest sequence of the other side that is committed,
 * with everything below it. A kept frame is sent again until it is acknowledged, and has effect once.
 */
export function frame<Body extends z.ZodType>(body: Body) {
  return z.strictObject({
    v: z.literal(PROTOCOL_VERSION),
    seq: z.int().nonnegative(),
    ack: z.int().nonnegative(),
    job: JobId.nullable(),
    attempt: AttemptNumber.nullable(),
    /** Ed25519 over the frame without this field, base64; null where the connection alone authenticates. */
    sig: z.string().max(128).nullable(),
    body,
  });
}

export type Frame<Body> = {
  v: typeof PROTOCOL_VERSION;
  seq: number;
  ack: number;
  job: string | null;
  attempt: number | null;
  sig: string | null;
  body: Body;
};
