import { mayWrite } from "../trust/role.ts";
import {
  type CommandName,
  type CommandPolicy,
  type CommandRule,
  COMMANDS,
  ROLES,
  type Role,
} from "./command.ts";
import { declarationOf } from "./registry.ts";
import type { Declaration, FlagDeclaration } from "./declaration.ts";

export type Person = {
  /** The collaborator's `role_name`; null where GitHub knows none, or could not be asked. */
  role: string | null;
  teams: readonly string[];
};

/** What somebody must be to give a command: at least `role`, or, with `teams`, in one of those and at least `least`. */
export type Required = { role: Role | null; teams: readonly string[]; least: Role };

export function requiredFor(declaration: Declaration, policy: CommandPolicy): Required {
  return requiredBy(declaration.permission, policy.commands[declaration.name] ?? {});
}

/** What a flag asks for beside its command; null where that is nothing. */
export function requiredForFlag(flag: FlagDeclaration, policy: CommandPolicy): Required | null {
  if (flag.permission === undefined) return null;
  return requiredBy(flag.permission, policy.flags?.[flag.name] ?? {});
}

function requiredBy(
  { usual, least }: Declaration["permission"],
  rule: Pick<CommandRule, "permission" | "teams">,
): Required {
  const teams = rule.teams ?? [];
  // Teams alone take the place of the role.
  const role = rule.permission ?? (rule.teams === undefined ? usual : null);
  return { role: role === null ? null : highest(role, least), teams, least };
}

export function may(person: Person, required: Required, writers: readonly string[]): boolean {
  const rank = rankOf(person.role, writers);
  if (rank < rankOf(required.least, [])) return false;
  if (required.role !== null && rank >= rankOf(required.role, [])) return true;
  return person.teams.some((team) => required.teams.includes(team));
}

/** Slugs of the teams to ask GitHub about before any of these commands is judged. */
export function teamsNamed(
  policy: CommandPolicy,
  commands: readonly CommandName[] = COMMANDS,
): string[] {
  const named = commands.flatMap((name) => [
    ...(policy.commands[name]?.teams ?? []),
    ...declarationOf(name).flags.flatMap((flag) => requiredForFlag(flag, policy)?.teams ?? []),
  ]);
  return [...new Set(named)];
}

/**
 * A custom role is known to carry read, as each is made from one of the built-in roles; write only where the
 * configuration lists it.
 */
export function rankOf(role: string | null, writers: readonly string[]): number {
  if (role === null || role === "" || role === "none") return -1;
  const rank = ROLES.findIndex((known) => known === role);
  if (rank !== -1) return rank;
  return ROLES.indexOf(mayWrite(role, writers) ? "write" : "read");
}

function highest(a: Role, b: Role): Role {
  return ROLES.indexOf(a) > ROLES.indexOf(b) ? a : b;
}
