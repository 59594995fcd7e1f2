import * as z from "zod";
import { StorePath } from "./identifiers.ts";

/** A place in the checked out tree; `file` is relative to its root, lines and columns count from 1. */
export const Position = z.strictObject({
  file: z.string().min(1).max(4_096),
  line: z.int().positive(),
  column: z.int().positive().nullable(),
});
export type Position = z.infer<typeof Position>;

/** The last lines of a log, redacted; at most 16 KiB. */
const LogTail = z.string().max(16_384);
const Message = z.string().max(16_384);

/**
 * How a job or an attribute ended. Closed: every arm carries the data that a report needs, and every consumer
 * switches over all of them. Machines end by outcomes of their own, see `machine.ts`.
 */
export const Verdict = z.discriminatedUnion("kind", [
  /** Outputs are valid in the runner's store (attribute), or the job did all its work (job). */
  z.strictObject({ kind: z.literal("succeeded"), reused: z.boolean().default(false) }),
  /** The builder of this derivation itself exited. */
  z.strictObject({
    kind: z.literal("failed"),
    drv: StorePath,
    exitCode: z.int().nullable(),
    logTail: LogTail,
  }),
  /** Not tried, because `cause` (a derivation below it) failed; `verdict` is the cause's own kind. */
  z.strictObject({
    kind: z.literal("dependency-failed"),
    cause: StorePath,
    verdict: z.string().max(64),
    logTail: LogTail,
  }),
  z.strictObject({
    kind: z.literal("hash-mismatch"),
    drv: StorePath,
    specified: z.string().max(256),
    got: z.string().max(256),
  }),
  z.strictObject({ kind: z.literal("timed-out"), limitSeconds: z.number(), logTail: LogTail }),
  /** Printed nothing for too long. */
  z.strictObject({ kind: z.literal("silent"), limitSeconds: z.number(), logTail: LogTail }),
  z.strictObject({
    kind: z.literal("out-of-memory"),
    limitBytes: z.number().nullable(),
    logTail: LogTail,
  }),
  z.strictObject({ kind: z.literal("out-of-disk"), logTail: LogTail }),
  z.strictObject({
    kind: z.literal("evaluation-error"),
    message: Message,
    position: Position.nullable(),
  }),
  /** The head does not merge into its base. */
  z.strictObject({ kind: z.literal("conflict"), message: Message }),
  /** No runner class of the account can do it; `missing` names what they lack. */
  z.strictObject({ kind: z.literal("no-runner"), missing: z.array(z.string().max(256)).max(64) }),
  /**
   * It needs `drv`, which the runner that had it cannot build and another one could: an exchange between them, or a
   * remote builder, would solve it. `missing` names what the runner lacks.
   */
  z.strictObject({
    kind: z.literal("needs-exchange"),
    drv: StorePath,
    system: z.string().max(64),
    missing: z.array(z.string().max(256)).max(64),
  }),
  /** Asked for and not there, or not looked at; `reason` says which. */
  z.strictObject({ kind: z.literal("not-covered"), reason: Message }),
  /** Evaluated, and not to be built here (a system that is not required). */
  z.strictObject({ kind: z.literal("evaluated-only") }),
  z.strictObject({ kind: z.literal("needs-approval"), reason: Message }),
  z.strictObject({ kind: z.literal("cancelled"), by: z.string().max(256) }),
  z.strictObject({ kind: z.literal("superseded"), by: z.string().max(256) }),
  /** Snowcat, the runner, GitHub or a network failed, not the change. */
  z.strictObject({
    kind: z.literal("infrastructure"),
    message: Message,
    logTail: LogTail.default(""),
  }),
]);
export type Verdict = z.infer<typeof Verdict>;
export type VerdictKind = Verdict["kind"];
