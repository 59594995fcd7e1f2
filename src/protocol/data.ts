import * as z from "zod";
import { Attribute, ATTRIBUTE_BATCH, AttributeResult } from "./attribute.ts";
import { frame } from "./frame.ts";

/** Runner → Run object and runner → Log object: what an attempt finds out. One WebSocket for each attempt and side. */

/** Bytes of log in one frame, before base64. */
export const LOG_CHUNK_BYTES = 64 * 1_024;

/** Name of a log stream inside an attempt: `job`, or the base name of a derivation. */
export const LogStream = z
  .string()
  .regex(/^[A-Za-z0-9+._?=-]{1,255}$/u)
  .refine((name) => name !== "." && name !== "..");

export const ToRun = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("attributes"),
    attributes: z.array(Attribute).max(ATTRIBUTE_BATCH.size),
  }),
  z.strictObject({
    kind: z.literal("results"),
    results: z.array(AttributeResult).max(ATTRIBUTE_BATCH.size),
  }),
  /** Warnings and notices of the evaluation, for the report. `degraded` names why a slower evaluator was used. */
  z.strictObject({
    kind: z.literal("evaluated"),
    evaluator: z.string().max(128),
    degraded: z.string().max(1_024).nullable(),
    seconds: z.number().nonnegative(),
    peakBytes: z.number().nonnegative().nullable(),
    warnings: z.array(z.string().max(4_096)).max(50),
    /** Declared or requested attributes that are not there. */
    missing: z.array(z.string().max(4_096)).max(1_000),
  }),
]);
export type ToRun = z.infer<typeof ToRun>;

/** A piece of one stream. */
export const LogPart = z.discriminatedUnion("kind", [
  /** Bytes at `offset` of the stream, base64, redacted. */
  z.strictObject({
    kind: z.literal("chunk"),
    stream: LogStream,
    offset: z.int().nonnegative(),
    data: z.base64().max(100_000),
  }),
  /** The stream is whole: its size and SHA-256 (hex), of what was sent. `dropped` bytes were cut out above the cap. */
  z.strictObject({
    kind: z.literal("close"),
    stream: LogStream,
    size: z.int().nonnegative(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/u),
    dropped: z.int().nonnegative(),
  }),
]);
export type LogPart = z.infer<typeof LogPart>;

/**
 * Most of one frame: parts, and characters of their JSON. Thousands of small streams travel in few frames, and a frame
 * stays below `FRAME_BYTES`.
 */
export const LOG_BATCH = { parts: 512, characters: 512 * 1_024 } as const;

export const ToLog = z.discriminatedUnion("kind", [
  /** Pieces of any streams, in order: each one continues what is there of its stream. */
  z.strictObject({
    kind: z.literal("parts"),
    parts: z.array(LogPart).min(1).max(LOG_BATCH.parts),
  }),
]);
export type ToLog = z.infer<typeof ToLog>;

export const DataReply = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ack") }),
  /** The attempt is over or another's: nothing of it is taken any more. */
  z.strictObject({ kind: z.literal("stale"), reason: z.string().max(1_024) }),
]);
export type DataReply = z.infer<typeof DataReply>;

export const RunFrame = frame(ToRun);
export const LogFrame = frame(ToLog);
export const DataReplyFrame = frame(DataReply);
