import * as z from "zod";
import { CommandRules } from "./commands.ts";
import { DeployPolicy } from "./machines.ts";

/**
 * Keys whose work is not done yet. They are read and checked, so that a configuration can name them and a misspelt key
 * is an error already; nothing acts on them.
 */

/** An argument vector; no shell reads it. */
const Command = z.array(z.string().min(1).max(4_096)).min(1).max(128);
const Names = z.array(z.string().min(1).max(1_024)).max(64);
const Run = Command.describe("The command, as a list of its arguments; no shell reads it.");

export const Test = z.union([
  z.strictObject({
    vm: z.string().min(1).max(1_024).describe("Attribute of the test that runs virtual machines."),
    keep: z
      .array(z.enum(["serial", "screenshots"]))
      .max(2)
      .optional()
      .describe("What is kept of it."),
  }),
  z.strictObject({
    kind: z
      .strictObject({
        images: z
          .array(z.string().min(1).max(512))
          .min(1)
          .max(16)
          .describe("Node images; the test runs once for each."),
        nodes: z.int().min(1).max(16).optional().describe("Nodes of a cluster. Without it: 1."),
      })
      .describe("Fresh Kind clusters to run on."),
    steps: z
      .array(Command)
      .min(1)
      .max(64)
      .describe("Commands in their order, each as a list of its arguments."),
  }),
  z.strictObject({
    run: Run,
    after: Names.optional().describe("Attributes that must be built before."),
  }),
]);

export const Push = z.strictObject({
  run: Run,
  needs: Names.optional().describe("Names of other pushes that must have succeeded before."),
});

/** Recipes bring options of their own: those are checked by the recipe. */
export const Bump = z.looseObject({
  recipe: z.string().min(1).max(64).describe("How it is brought up to date."),
  source: z
    .record(z.string().max(64), z.string().max(1_024))
    .optional()
    .describe("Where its newest version is found."),
  schedule: z.string().max(64).optional().describe("How often it is looked for."),
  group: z.string().max(64).optional().describe("What goes into one pull request."),
});

export const Policy = z.strictObject({
  trusted: z
    .enum(["repository", "default-branch-and-merge-queue"])
    .optional()
    .describe(
      "Which changes run in the trusted pool: all of the repository's branches, or only the default branch and the merge queue.",
    ),
  writers: z
    .array(z.string().min(1).max(64))
    .max(32)
    .optional()
    .describe("Custom repository roles that carry write."),
  deploy: DeployPolicy.optional().describe("What a deploy needs."),
  commands: CommandRules.optional().describe(
    "Who may give a command, for each where it is not as usual.",
  ),
});
