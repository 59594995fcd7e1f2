import * as z from "zod";
import { frame } from "./frame.ts";
import { AttemptNumber, ExchangeId, JobId, Pool, RunnerId, System } from "./identifiers.ts";
import { DeployTarget } from "./machine.ts";
import { Verdict } from "./verdict.ts";

/** Runner ↔ Fleet object: offers, leases, final verdicts. One hibernating WebSocket for each runner. */

/** Leases (ms). Expired means suspect: attempt n stays valid until n+1 has been offered. */
export const LEASE = {
  duration: 60_000,
  /** Renewed this often, ± 20 %. */
  renewal: 20_000,
  /** From the offer to `started`. */
  start: 60_000,
  /** To reconnect, after the control plane itself was away. */
  reconnect: 120_000,
} as const;

const Held = z.strictObject({ job: JobId, attempt: AttemptNumber });

export const Hello = z.strictObject({
  kind: z.literal("hello"),
  /** Version of the agent, for people. */
  agent: z.string().max(64),
  /** Identity of the runner's outgoing stream; a new one starts again at sequence 1. */
  stream: z.uuid(),
  /** Systems it builds and features it has probed. */
  systems: z.array(System).max(32),
  features: z.array(z.string().max(128)).max(64),
  /** The exchange it passes closures through; absent where it has none. */
  exchange: ExchangeId.optional(),
  /** What evaluates here, as it names itself with its version; trees are judged anew where that changes. */
  evaluator: z.string().max(256).optional(),
  /** Machines that its own policy lets it change; of runners of the pool `deploy` only. */
  targets: z.array(DeployTarget).max(256).optional(),
  /** How many attempts it takes at once. */
  slots: z.int().positive().max(256),
  /** Attempts that it holds, to be adopted again. */
  running: z.array(Held).max(256),
});

/** What a job came to, with the digest that makes its repetition recognisable. */
export const Finished = z.strictObject({
  kind: z.literal("finished"),
  verdict: Verdict,
  /** SHA-256 (hex) of the verdict's JSON text. A second, different digest for a finished attempt is refused. */
  digest: z.string().regex(/^[0-9a-f]{64}$/u),
});

/** Why a runner does not do what it was offered, though it could: what was said is not to be trusted, or not allowed here. */
export const Refusal = z.enum([
  /** No pinned key signed these bytes: forged, or altered on the way. */
  "signature",
  "format",
  "protocol",
  "host",
  "account",
  "runner",
  "pool",
  "repository",
  "expired",
  "clock",
  /** The same attempt was taken before. */
  "replayed",
  /** The runner's own policy. */
  "policy",
  /** The manifest of a closure. */
  "manifest",
]);
export type Refusal = z.infer<typeof Refusal>;

export const FromRunner = z.discriminatedUnion("kind", [
  Hello,
  z.strictObject({ kind: z.literal("accept") }),
  z.strictObject({ kind: z.literal("decline"), reason: z.string().max(1_024) }),
  /**
   * For the audit log. Without a job where the offer could not be read; of one that waits for its answer it is a decline too.
   * `digest`: SHA-256 (hex) of the specification's text; null of what was refused later.
   */
  z.strictObject({
    kind: z.literal("refused"),
    refusal: Refusal,
    reason: z.string().max(1_024),
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/u)
      .nullable(),
  }),
  z.strictObject({ kind: z.literal("started") }),
  z.strictObject({ kind: z.literal("renew"), attempts: z.array(Held).max(256) }),
  Finished,
  z.strictObject({ kind: z.literal("drain") }),
  /** Not kept: its own policy names these machines now, and no others. The next hello says the same. */
  z.strictObject({ kind: z.literal("targets"), targets: z.array(DeployTarget).max(256) }),
]);
export type FromRunner = z.infer<typeof FromRunner>;

export const ToRunner = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("welcome"), runner: RunnerId, pool: Pool }),
  z.strictObject({
    kind: z.literal("offer"),
    /** JSON text of a Specification, the exact bytes that are signed. */
    specification: z.string().max(800_000),
    /** Ed25519, base64. */
    signature: z.string().max(128),
    /** Bearer token of this attempt for the run and log channels and for the clone token. */
    token: z.string().max(2_048),
  }),
  z.strictObject({ kind: z.literal("cancel"), reason: z.string().max(1_024) }),
  /** The attempt is not the runner's (any more): stop it, say nothing more about it. */
  z.strictObject({ kind: z.literal("forget"), reason: z.string().max(1_024) }),
  z.strictObject({ kind: z.literal("ack") }),
  /** A branch was deleted: nothing of it need be kept any more. Told once, to those who are here. */
  z.strictObject({
    kind: z.literal("branch-gone"),
    repository: z.int().positive(),
    ref: z.string().max(1_024),
  }),
]);
export type ToRunner = z.infer<typeof ToRunner>;

export const RunnerFrame = frame(FromRunner);
export const FleetFrame = frame(ToRunner);

/** Text that keeps an idle socket alive; answered without waking the object (`setWebSocketAutoResponse`). */
export const PING = "ping";
export const PONG = "pong";
