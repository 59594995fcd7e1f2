import * as z from "zod";
import {
  AttemptNumber,
  ExchangeId,
  JobId,
  Pool,
  RunId,
  RunnerId,
  StorePath,
  System,
} from "./identifiers.ts";
import { IMPACT } from "./impact.ts";
import { DeployWork, MachineName, ObserveWork } from "./machine.ts";
import { Source } from "./source.ts";

/** Whether evaluation may build what it then reads. The default branch's configuration allows it; never to an untrusted pool. */
const ImportFromDerivation = z.boolean().optional();

/** A part of the repository to evaluate. */
export const Selection = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("flake"),
    /** Directory of `flake.nix`, relative to the root. */
    directory: z.string().max(1_024),
    /** First component(s) of attribute paths: `packages`, `checks.x86_64-linux.a`. */
    attributes: z.array(z.string().max(1_024)).max(256),
    /** Systems to evaluate per-system outputs for; null is every system the flake names. */
    systems: z.array(System).max(32).nullable(),
    importFromDerivation: ImportFromDerivation,
    /** Whether the flake's formatter is run on the tree, as an attribute of its own: `formatter-check.<system>`. */
    formatterCheck: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal("file"),
    file: z.string().max(1_024),
    /** Declared attributes only: a file is never enumerated. */
    attributes: z.array(z.string().max(1_024)).max(1_024),
    /** Passed as `--argstr`. */
    args: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_'-]*$/u), z.string().max(4_096)),
    importFromDerivation: ImportFromDerivation,
  }),
]);
export type Selection = z.infer<typeof Selection>;

/** Time limits by the runner's own clock (s) and memory (bytes). Queue time counts in none. */
export const Limits = z.strictObject({
  evaluationSeconds: z.number().positive(),
  evaluationBytes: z.number().positive(),
  buildSeconds: z.number().positive(),
  silentSeconds: z.number().positive(),
});
export type Limits = z.infer<typeof Limits>;

const Evaluate = z.strictObject({
  kind: z.literal("evaluate"),
  source: Source,
  selections: z.array(Selection).min(1).max(64),
  limits: Limits,
});
const Build = z.strictObject({
  kind: z.literal("build"),
  source: Source,
  selections: z.array(Selection).min(1).max(64),
  /**
   * Other runners may build parts of the same run: closures pass through this exchange, and what is built is claimed
   * first. Absent: whatever the slice needs is this runner's own to build.
   */
  exchange: ExchangeId.optional(),
  /** The slice. Derivations absent from the runner's store come from the exchange, or are evaluated again from `source`. */
  derivations: z
    .array(
      z.strictObject({
        selection: z.int().nonnegative(),
        path: z.array(z.string().max(1_024)).min(1).max(32),
        drv: StorePath,
      }),
    )
    .min(1)
    .max(1_000),
  limits: Limits,
});
/** Compares machines with the base's: derivations, and closures whose outputs this runner's store has. Builds nothing. */
const Impact = z.strictObject({
  kind: z.literal("impact"),
  source: Source,
  /** Where `before` comes from. */
  base: Source,
  selections: z.array(Selection).min(1).max(64),
  machines: z
    .array(
      z.strictObject({
        selection: z.int().nonnegative(),
        path: z.array(z.string().max(1_024)).min(1).max(32),
        before: StorePath,
        after: StorePath,
      }),
    )
    .min(1)
    .max(IMPACT.machines),
  limits: Limits,
});

/**
 * Job kind `plan`: what putting these systems on their machines would change, from the store and the last observation
 * alone; and the manifests of their closures. It contacts no machine and executes nothing of a closure.
 */
const Plan = z.strictObject({
  kind: z.literal("plan"),
  source: Source,
  selections: z.array(Selection).min(1).max(64),
  machines: z
    .array(
      z.strictObject({
        name: MachineName,
        selection: z.int().nonnegative(),
        path: z.array(z.string().max(1_024)).min(1).max(32),
        drv: StorePath,
        /** What the machine ran when it was observed last; null where it never was. */
        running: StorePath.nullable(),
        /** Warnings that the configuration asks for: where a package or a unit that changes has the text. */
        warn: z
          .array(z.strictObject({ when: z.string().min(1).max(256), says: z.string().max(500) }))
          .max(16)
          .optional(),
      }),
    )
    .min(1)
    .max(IMPACT.machines),
  limits: Limits,
});
export type PlanWork = z.infer<typeof Plan>;

/** Work on a tree of the repository. */
const TreeWork = z.discriminatedUnion("kind", [Evaluate, Build, Impact, Plan]);
export type TreeWork = z.infer<typeof TreeWork>;
/** Work on machines, by runners of the pool `deploy` alone. */
const MachineWork = z.discriminatedUnion("kind", [ObserveWork, DeployWork]);
export type MachineWork = z.infer<typeof MachineWork>;

export const Work = z.discriminatedUnion("kind", [TreeWork, MachineWork]);
export type Work = z.infer<typeof Work>;
export type JobKind = Work["kind"];

/**
 * What a runner is told to do, once. Signed by the control plane as the exact bytes of its JSON text (Ed25519); the
 * runner checks the signature against its pinned keys, then host, account, repository, runner, pool and expiry against
 * its own configuration.
 */
export const Specification = z.strictObject({
  protocol: z.int(),
  host: z.string().max(255),
  account: z.int().positive(),
  repository: z.strictObject({
    id: z.int().positive(),
    owner: z.string().max(255),
    name: z.string().max(255),
    private: z.boolean(),
  }),
  run: RunId,
  job: JobId,
  attempt: AttemptNumber,
  runner: RunnerId,
  pool: Pool,
  /** SHA-256 (hex) of the default branch's policy that allowed the run. */
  policy: z.string().regex(/^[0-9a-f]{64}$/u),
  /** Unix time (ms). */
  issuedAt: z.int(),
  expiresAt: z.int(),
  work: Work,
});
export type Specification = z.infer<typeof Specification>;
export type TreeSpecification = Specification & { work: TreeWork };
export type MachineSpecification = Specification & { work: MachineWork };
