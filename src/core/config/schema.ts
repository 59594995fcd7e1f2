import * as z from "zod";
import { System } from "../../protocol/identifiers.ts";
import { Inputs } from "./inputs.ts";
import { Bump, Machine, Policy, Push, Rollout, Test } from "./later.ts";

/** A directory or file below the repository's root, with `/`; `.` is the root. */
const Inside = z
  .string()
  .min(1)
  .max(1_024)
  .refine(
    (path) =>
      !path.startsWith("/") &&
      !path.startsWith("-") &&
      !path.split("/").includes("..") &&
      !/[\u0000-\u001f\u007f]/u.test(path),
    {
      error:
        "must be a path inside the repository (relative, without `..`, not beginning with `-`)",
    },
  );

/** An attribute path as Nix spells it, or its first components. Never a flag. */
const AttributePath = z
  .string()
  .min(1)
  .max(1_024)
  .refine((path) => !path.startsWith("-") && !/[\u0000-\u001f\u007f]/u.test(path), {
    error: "must be an attribute path",
  });

const ImportFromDerivation = z
  .boolean()
  .optional()
  .describe("Evaluation may build what it then reads. Never for forks, whatever stands here.");

const EvaluateFlake = z.strictObject({
  flake: Inside.describe("Directory of flake.nix."),
  attributes: z
    .array(AttributePath)
    .min(1)
    .max(256)
    .optional()
    .describe("Outputs, or attribute paths below them."),
  systems: z
    .array(System)
    .min(1)
    .max(32)
    .optional()
    .describe("Systems that must be built; the others are evaluated only."),
  revision: z
    .boolean()
    .optional()
    .describe("The flake reads self.rev; its results are not reused by tree."),
  import_from_derivation: ImportFromDerivation,
  formatter_check: z
    .boolean()
    .optional()
    .describe("Run the flake's formatter on the tree, as an attribute of its own."),
});
const EvaluateFile = z.strictObject({
  file: Inside.describe("A Nix file; it is never enumerated."),
  attributes: z.array(AttributePath).min(1).max(1_024),
  args: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_'-]*$/u), z.string().max(4_096))
    .optional()
    .describe("Strings, as --argstr."),
  import_from_derivation: ImportFromDerivation,
});
export const Evaluate = z.union([EvaluateFlake, EvaluateFile]);
export type Evaluate = z.infer<typeof Evaluate>;

const Patterns = z.array(AttributePath).min(1).max(256);
export const Sets = z.strictObject({
  push: Patterns.optional(),
  pull_request: Patterns.optional(),
  merge_queue: Patterns.optional(),
});

/** All are optional; the defaults stand in `resolve.ts`. */
export const LimitsSource = z.strictObject({
  evaluation_seconds: z.int().min(1).max(86_400).optional(),
  evaluation_bytes: z
    .int()
    .min(64 * 1_024 ** 2)
    .optional(),
  build_seconds: z
    .int()
    .min(1)
    .max(7 * 86_400)
    .optional(),
  silent_seconds: z.int().min(1).max(86_400).optional(),
});

export const Name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u);

/** `.github/snowcat.yml`: every key is optional, none is needed to build a flake. Unknown keys are errors. */
export const Configuration = z.strictObject({
  version: z.literal(1).optional(),
  evaluate: z.array(Evaluate).min(1).max(64).optional(),
  sets: Sets.optional(),
  limits: LimitsSource.optional(),
  inputs: Inputs.optional(),
  tests: z.record(Name, Test).optional(),
  push: z.record(Name, Push).optional(),
  machines: z
    .strictObject({
      discover: z
        .array(z.enum(["nixosConfigurations", "clan"]))
        .max(2)
        .optional(),
    })
    .catchall(Machine)
    .optional(),
  rollouts: z.record(Name, Rollout).optional(),
  bumps: z.record(Name, Bump).optional(),
  policy: Policy.optional(),
});
export type Configuration = z.infer<typeof Configuration>;

/** Where it is read from, on the default branch. */
export const CONFIGURATION_FILE = ".github/snowcat.yml";

/** For editors. */
export function jsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(Configuration, { io: "input" }),
    title: `Snowcat: ${CONFIGURATION_FILE}`,
  };
}
