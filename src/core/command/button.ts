import type { Command } from "./command.ts";
import { declarations } from "./registry.ts";

/** The command of a check run's button, for the commit of the check. Null when it is none of ours. */
export function commandOfButton(identifier: string, sha: string): Command | null {
  const declaration = declarations().find(({ button }) => button?.identifier === identifier);
  if (declaration === undefined) return null;
  const values = declaration.binding === "none" ? [] : [sha];
  return { name: declaration.name, arguments: values, flags: [] };
}
