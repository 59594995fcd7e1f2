import * as z from "zod";
import { StorePath, System } from "./identifiers.ts";
import { Attestation } from "./provenance.ts";
import { Position, Verdict } from "./verdict.ts";

/** Attributes in one frame, and the longest an evaluation may hold one back (ms). */
export const ATTRIBUTE_BATCH = { size: 200, milliseconds: 1_000 } as const;

export const Derivation = z.strictObject({
  path: StorePath,
  name: z.string().max(255),
  /** The derivation's own system, which need not be that of the attribute path. */
  system: System.or(z.literal("builtin")),
  /** Output name → store path; null where it is not known before the build. */
  outputs: z.record(z.string().max(255), StorePath.nullable()),
  /** `requiredSystemFeatures`, sorted. */
  features: z.array(z.string().max(128)).max(64),
});
export type Derivation = z.infer<typeof Derivation>;

/** One output of an evaluation. */
export const Attribute = z.strictObject({
  /** Index into the specification's selections. */
  selection: z.int().nonnegative(),
  /** The attribute path, a component each, unquoted: `["packages", "x86_64-linux", "a.b"]`. */
  path: z.array(z.string().max(1_024)).min(1).max(32),
  /** The system of the attribute path, where it has one. */
  system: System.nullable(),
  result: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("derivation"), derivation: Derivation }),
    z.strictObject({
      kind: z.literal("error"),
      message: z.string().max(16_384),
      position: Position.nullable(),
    }),
  ]),
  /** How long the evaluator worked on it, where it knows (s). */
  seconds: z.number().nonnegative().nullable(),
});
export type Attribute = z.infer<typeof Attribute>;

/** What became of one attribute of a build job. */
export const AttributeResult = z.strictObject({
  selection: z.int().nonnegative(),
  path: z.array(z.string().max(1_024)).min(1).max(32),
  drv: StorePath,
  verdict: Verdict,
  /** Time of the derivation's own build (s); 0 where nothing was built. */
  seconds: z.number().nonnegative(),
  /** Name of the log stream of the attempt that has its output; null where nothing was printed. */
  log: z.string().max(255).nullable(),
  /** Of a success: what came out, signed by the runner. */
  attestation: Attestation.optional(),
});
export type AttributeResult = z.infer<typeof AttributeResult>;

/** An attribute path as Nix spells it: components that are not identifiers are quoted. */
export function attributeName(path: readonly string[]): string {
  return path
    .map((part) => (/^[A-Za-z_][A-Za-z0-9_'-]*$/u.test(part) ? part : quote(part)))
    .join(".");
}

function quote(part: string): string {
  return `"${part
    .replace(/[\\"]|\$\{/gu, (c) => `\\${c}`)
    .replace(/\n/gu, "\\n")
    .replace(/\r/gu, "\\r")
    .replace(/\t/gu, "\\t")}"`;
}
