import * as z from "zod";
import {
  type CommandName,
  type CommandPolicy,
  COMMANDS,
  ROLES,
  type Role,
} from "../command/command.ts";
import { declarationOf } from "../command/registry.ts";

/** A team's slug within the organisation that owns the repository. */
const Team = z.string().regex(/^[a-z0-9_][a-z0-9_-]{0,99}$/u, {
  error: "must be a team's slug, such as `release-team`",
});

const ruleFor = (least: Role) =>
  z
    .strictObject({
      permission: z
        .enum(ROLES)
        .exclude(ROLES.slice(0, ROLES.indexOf(least)))
        .optional()
        .describe("The least role of whoever gives the command."),
      teams: z
        .array(Team)
        .min(1)
        .max(16)
        .optional()
        .describe(`Teams whose members may, with \`${least}\` or more. Alone, nobody else may.`),
    })
    .optional();

const rules = COMMANDS.map((name) => {
  const { does, permission } = declarationOf(name);
  return [name, ruleFor(permission.least).describe(`/${name}: ${does}`)];
});

/** `policy.commands`: who may give a command, where it is not what the registry has. */
export const CommandRules = z.strictObject(
  // One entry for each name, as `COMMANDS` has them.
  Object.fromEntries(rules) as Record<CommandName, ReturnType<typeof ruleFor>>,
);
type CommandRules = z.infer<typeof CommandRules>;

type Deploy = { permission?: Role; approvals?: number };

/** The rules to judge by: `policy.deploy` holds for all that changes machines, unless a command has its own. */
export function commandsOf(
  rules: CommandRules = {},
  { permission, approvals }: Deploy = {},
): CommandPolicy["commands"] {
  const commands: CommandPolicy["commands"] = { ...rules };
  for (const name of CHANGES_MACHINES) {
    const rule = rules[name] ?? (permission === undefined ? undefined : { permission });
    const wanted = declarationOf(name).approvals ? approvals : undefined;
    if (rule !== undefined || wanted !== undefined)
      commands[name] = { ...rule, ...(wanted === undefined ? {} : { approvals: wanted }) };
  }
  return commands;
}

const CHANGES_MACHINES = ["deploy", "confirm", "rollback"] as const satisfies CommandName[];

/** While nobody can say who may, it is those who can set it right. Help and status are for everybody all the same. */
export const ADMINS_ONLY: CommandRules = Object.fromEntries(
  COMMANDS.filter((name) => declarationOf(name).permission.usual !== "read").map((name) => [
    name,
    { permission: "admin" as const },
  ]),
);
