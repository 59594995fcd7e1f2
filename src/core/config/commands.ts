import * as z from "zod";
import {
  type CommandName,
  type CommandPolicy,
  COMMANDS,
  ROLES,
  type Role,
} from "../command/command.ts";
import { declarationOf } from "../command/registry.ts";
import { Team } from "./machines.ts";

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

type Deploy = { permission?: Role; teams?: readonly string[]; approvals?: number };

/** The rules to judge by: `policy.deploy` holds for all that changes machines, unless a command has its own. */
export function commandsOf(
  rules: CommandRules = {},
  { permission, teams, approvals }: Deploy = {},
): CommandPolicy["commands"] {
  const commands: CommandPolicy["commands"] = { ...rules };
  for (const name of CHANGES_MACHINES) {
    const usual = {
      ...(permission === undefined ? {} : { permission }),
      ...(teams === undefined ? {} : { teams }),
    };
    const rule = rules[name] ?? (Object.keys(usual).length === 0 ? undefined : usual);
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
