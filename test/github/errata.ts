import type { Schema } from "./description.ts";

/** Where the published description contradicts what GitHub answers, with the reason. Kept short: each entry is a hole in the check. */
export const errata: Record<string, { status: number; schema: Schema; reason: string }> = {
  "apps/list-installations": {
    status: 200,
    schema: { type: "array", items: { $ref: "#/components/schemas/installation" } },
    reason:
      "the inlined copy says that an account is a user and an enterprise at once (allOf); the component says either (anyOf)",
  },
};

/**
 * Rules that GitHub itself does not keep: commits carry whatever address their author wrote (and bots have "[bot]" in
 * theirs), and the enumerations of event names are older than the events (no `merge_group`).
 */
export function amended(name: string, schema: Schema): Schema {
  const { format, ...rest } = schema;
  if (format === "email") return rest;
  // "" is what GitHub's own default says where no address was given.
  if (format === "uri" && schema["default"] === "") return rest;
  // A deleted fork leaves its pull requests: the webhooks' text says so, the answers' does not.
  const { repo } = (schema["properties"] as Record<string, Schema> | undefined) ?? {};
  if (name === "head" && repo)
    return {
      ...schema,
      properties: { ...(schema["properties"] as Schema), repo: { ...repo, nullable: true } },
    };
  if (name !== "events" || schema["type"] !== "array") return schema;
  const { enum: _, ...items } = (schema["items"] as Schema | undefined) ?? {};
  return { ...schema, items };
}
