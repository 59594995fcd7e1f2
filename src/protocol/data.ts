import * as z from "zod";
import { Attribute, ATTRIBUTE_BATCH, AttributeResult } from "./attribute.ts";
import { frame } from "./frame.ts";
import { StorePath, System } from "./identifiers.ts";
import { INVENTORY, InventoryMachine, MachineDifference } from "./impact.ts";
import {
  DeployStep,
  LOCAL_DEPLOYS,
  LocalDeploy,
  MachineName,
  MachineOutcome,
  MachinePlan,
  MachineReference,
  Observation,
} from "./machine.ts";
import { Position, Verdict } from "./verdict.ts";

/** Runner → Run object and runner → Log object: what an attempt finds out. One WebSocket for each attempt and side. */

/** Bytes of log in one frame, before base64. */
export const LOG_CHUNK_BYTES = 64 * 1_024;

/** Name of a log stream inside an attempt: `job`, or the base name of a derivation. */
export const LogStream = z
  .string()
  .regex(/^[A-Za-z0-9+._?=-]{1,255}$/u)
  .refine((name) => name !== "." && name !== "..");

/** Findings that one evaluation may tell. */
export const MAX_FINDINGS = 100;

/** What a flake's outputs should not be, as `nix flake check` would say. It blocks nothing. */
export const Finding = z.strictObject({
  /** The attribute path, as Nix spells it, or the place in `flake.nix`. */
  about: z.string().min(1).max(1_024),
  message: z.string().min(1).max(4_096),
  position: Position.nullable(),
});
export type Finding = z.infer<typeof Finding>;

/** Most of one frame about derivations: a claim's, failures (each with the end of a log), needs, and needs of one goal. */
export const CLAIM = { drvs: 4_000, failures: 40, needs: 200, needsOfGoal: 32 } as const;

/** Number of a claim within its attempt, chosen by the runner. */
const ClaimNumber = z.int().positive().max(1_000_000_000);

/** A derivation that was tried in this run and did not succeed: nobody tries it again. */
export const KnownFailure = z.strictObject({ drv: StorePath, verdict: Verdict });
export type KnownFailure = z.infer<typeof KnownFailure>;

/** A derivation that stands below a goal and that the runner cannot build; one that has what it takes can. */
export const Needed = z.strictObject({
  drv: StorePath,
  name: z.string().max(255),
  system: System.or(z.literal("builtin")),
  features: z.array(z.string().max(128)).max(64),
  /** What this runner lacks for it, in words. */
  missing: z.array(z.string().max(256)).max(64),
});
export type Needed = z.infer<typeof Needed>;

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
    /** Most memory that one evaluator process held; null where the runner's isolation cannot tell. */
    peakBytes: z.number().nonnegative().nullable(),
    warnings: z.array(z.string().max(4_096)).max(50),
    /** Declared or requested attributes that are not there. */
    missing: z.array(z.string().max(4_096)).max(1_000),
    findings: z.array(Finding).max(MAX_FINDINGS).optional(),
    /** It depended on more than the tree, the selection and the evaluator: nothing of it stands for the same tree again. */
    impure: z.boolean().optional(),
    /** Machines of clan's inventory, where a flake has one. */
    inventory: z.array(InventoryMachine).max(INVENTORY.machines).optional(),
  }),
  /** Asks for the right to build these, all or none; answered with `claimed`. */
  z.strictObject({
    kind: z.literal("claim"),
    claim: ClaimNumber,
    drvs: z.array(StorePath).min(1).max(CLAIM.drvs),
  }),
  /** What was claimed is built (and in the exchange) or has failed. */
  z.strictObject({ kind: z.literal("release"), claim: ClaimNumber }),
  /** Derivations below goals that failed here: the goals' own failures are among the results. */
  z.strictObject({
    kind: z.literal("failed"),
    failures: z.array(KnownFailure).min(1).max(CLAIM.failures),
  }),
  /**
   * Goals that wait for what this runner cannot build. They are given back; with `exchange` (their closures are in it)
   * they are leased again when what they need is there.
   */
  z.strictObject({
    kind: z.literal("needs"),
    exchange: z.boolean(),
    needed: z.array(Needed).min(1).max(CLAIM.needs),
    goals: z
      .array(
        z.strictObject({
          drv: StorePath,
          needs: z.array(StorePath).min(1).max(CLAIM.needsOfGoal),
        }),
      )
      .min(1)
      .max(CLAIM.needs),
  }),
  /** One machine of an impact job. */
  z.strictObject({ kind: z.literal("impact"), difference: MachineDifference }),
  /** One machine of a plan job. The manifest it names has been put to `RUNNER_ROUTE.manifest` before. */
  z.strictObject({ kind: z.literal("planned"), plan: MachinePlan }),
  /** What a machine said of itself, or why it did not. Of observe jobs, and of deploy jobs before and after. */
  z.strictObject({
    kind: z.literal("observed"),
    machine: MachineReference,
    result: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("observation"), observation: Observation }),
      z.strictObject({ kind: z.literal("unreachable"), why: z.string().max(4_096) }),
    ]),
    /** Deploys of it that nobody was told of yet, oldest first; the machine is told of in `result` too. */
    local: z.array(LocalDeploy).max(LOCAL_DEPLOYS).optional(),
  }),
  /** A deploy job's step began. From `activate` on the job is past its point of no return. */
  z.strictObject({ kind: z.literal("step"), machine: MachineName, step: DeployStep }),
  /** How a deploy job's machine ended: told once, before the job finishes. */
  z.strictObject({ kind: z.literal("deployed"), machine: MachineName, outcome: MachineOutcome }),
]);
export type ToRun = z.infer<typeof ToRun>;

/**
 * Bytes of all logs of one attempt that a runner sends, but for the last few of each stream. A runner that sends twice
 * as many keeps no rule, and is not heard any more.
 */
export const ATTEMPT_LOG_BYTES = 1_024 ** 3;

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
  /**
   * The answer to a claim: granted when both lists are empty, else nothing of it is. `held`: somebody else builds
   * these; `freed` tells when not any more. After a new connection an unanswered claim is asked again.
   */
  z.strictObject({
    kind: z.literal("claimed"),
    claim: ClaimNumber,
    held: z.array(StorePath).max(CLAIM.drvs),
    failed: z.array(KnownFailure).max(CLAIM.failures),
  }),
  z.strictObject({ kind: z.literal("freed"), drvs: z.array(StorePath).max(CLAIM.drvs) }),
]);
export type DataReply = z.infer<typeof DataReply>;

export const RunFrame = frame(ToRun);
export const LogFrame = frame(ToLog);
export const DataReplyFrame = frame(DataReply);
