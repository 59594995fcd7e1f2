import * as z from "zod";
import { System } from "../../protocol/identifiers.ts";
import { Inputs } from "./inputs.ts";
import { Bump, Policy, Push, Test } from "./later.ts";
import { Machines, Name, Rollout } from "./machines.ts";

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
  flake: Inside.describe("Directory of a flake.nix, from the repository's root; `.` is the root."),
  attributes: z
    .array(AttributePath)
    .min(1)
    .max(256)
    .optional()
    .describe(
      "Outputs, looked at where the flake has them, or attribute paths below them, which must be there. Without it: the usual outputs.",
    ),
  systems: z
    .array(System)
    .min(1)
    .max(32)
    .optional()
    .describe(
      "Systems whose attributes are required; those of others are evaluated only. Without it: the systems of the account's runner classes in the run's pool, and all where none has named one.",
    ),
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
  attributes: z
    .array(AttributePath)
    .min(1)
    .max(1_024)
    .describe("Attribute paths; each must be there, and each is required."),
  args: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_'-]*$/u), z.string().max(4_096))
    .optional()
    .describe("Strings, as --argstr."),
  import_from_derivation: ImportFromDerivation,
});
export const Evaluate = z.union([EvaluateFlake, EvaluateFile]);
export type Evaluate = z.infer<typeof Evaluate>;

const Patterns = z.array(AttributePath).min(1).max(256).optional();
export const Sets = z.strictObject({
  push: Patterns.describe("What a push to a branch must build. Without it: everything."),
  pull_request: Patterns.describe("What a pull request must build. Without it: everything."),
  merge_queue: Patterns.describe("What the merge queue must build. Without it: everything."),
});

/** All are optional; the defaults stand in `resolve.ts`. */
export const LimitsSource = z.strictObject({
  evaluation_seconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe("Time of one evaluation (seconds). Without it: 1800."),
  evaluation_bytes: z
    .int()
    .min(64 * 1_024 ** 2)
    .optional()
    .describe("Memory of one evaluation (bytes). Without it: 8 GiB."),
  build_seconds: z
    .int()
    .min(1)
    .max(7 * 86_400)
    .optional()
    .describe("Time of one derivation's build (seconds). Without it: 14400."),
  silent_seconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe("Time that a build may print nothing (seconds). Without it: 7200."),
});

/** `.github/snowcat.yml`: every key is optional, none is needed to build a flake. Unknown keys are errors. */
export const Configuration = z.strictObject({
  version: z.literal(1).optional().describe("Of this format."),
  evaluate: z
    .array(Evaluate)
    .min(1)
    .max(64)
    .optional()
    .describe("What is looked at. Without it: the flake in the repository's root."),
  sets: Sets.optional().describe(
    "Patterns of attribute names: what must be built on which occasion. What the occasion's set does not name is evaluated and listed, and not built.",
  ),
  limits: LimitsSource.optional().describe("Limits of evaluations and builds."),
  inputs: Inputs.optional().describe("What the fetch step of a run may read."),
  tests: z
    .record(Name, Test)
    .optional()
    .describe("Tests by name: in a virtual machine, on a Kind cluster, or a command."),
  push: z
    .record(Name, Push)
    .optional()
    .describe("Commands by name that publish something; trusted runs only."),
  machines: Machines.optional().describe("Machines by name, and where others are found."),
  rollouts: z
    .record(Name, Rollout)
    .optional()
    .describe("Deploys by name: to which machines, in which order."),
  bumps: z.record(Name, Bump).optional().describe("Dependencies by name that are kept current."),
  policy: Policy.optional().describe(
    "Who may do what. Only the default branch's counts, whatever a pull request says.",
  ),
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
