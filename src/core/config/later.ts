import * as z from "zod";

/**
 * Keys whose work is not done yet. They are read and checked, so that a configuration can name them and a misspelt key
 * is an error already; nothing acts on them.
 */

/** An argument vector; no shell reads it. */
const Command = z.array(z.string().min(1).max(4_096)).min(1).max(128);
const Names = z.array(z.string().min(1).max(1_024)).max(64);

export const Test = z.union([
  z.strictObject({
    vm: z.string().min(1).max(1_024),
    keep: z
      .array(z.enum(["serial", "screenshots"]))
      .max(2)
      .optional(),
  }),
  z.strictObject({
    kind: z.strictObject({
      images: z.array(z.string().min(1).max(512)).min(1).max(16),
      nodes: z.int().min(1).max(16).optional(),
    }),
    steps: z.array(Command).min(1).max(64),
  }),
  z.strictObject({ run: Command, after: Names.optional() }),
]);

export const Push = z.strictObject({ run: Command, needs: Names.optional() });

const Health = z.union([
  z.strictObject({ http: z.url({ protocol: /^https?$/u }) }),
  z.strictObject({ unit: z.string().min(1).max(256) }),
]);
export const Machine = z.strictObject({
  method: z.enum(["krops", "nixos-rebuild", "clan"]).optional(),
  tags: Names.optional(),
  health: z.array(Health).max(32).optional(),
});

export const Rollout = z.strictObject({
  on: z.enum(["manual", "push", "schedule"]).optional(),
  schedule: z.string().max(64).optional(),
  stages: Names.optional(),
  max_failures: z.int().min(0).optional(),
});

/** Recipes bring options of their own: those are checked by the recipe. */
export const Bump = z.looseObject({
  recipe: z.string().min(1).max(64),
  source: z.record(z.string().max(64), z.string().max(1_024)).optional(),
  schedule: z.string().max(64).optional(),
  group: z.string().max(64).optional(),
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
  deploy: z
    .strictObject({
      permission: z.enum(["write", "maintain", "admin"]).optional(),
      approvals: z.int().min(0).max(16).optional(),
      checks: z.enum(["required", "all"]).optional(),
    })
    .optional(),
});
