import type { Asked, Facts, MachineLock } from "./command.ts";
import type { Declaration } from "./declaration.ts";
import { argumentsOf } from "./grammar.ts";
import { ROLES } from "./command.ts";
import { rankOf } from "./permission.ts";
import { matchTargets } from "./targets.ts";

/**
 * The lock that keeps a command from the machines it names: somebody else's, or anybody's hold. What a pull request locked
 * it may change. A lock is let go by whoever took it, in its own pull request, or by somebody with maintain.
 */
export function lockInTheWay(
  declaration: Declaration,
  asked: Asked,
  facts: Pick<Facts, "locks" | "role" | "policy">,
): MachineLock | null {
  if (declaration.locks === "none") return null;
  const { values } = argumentsOf(declaration, asked.command.arguments);
  const named = declaration.locks === "respects" ? values : values.slice(0, 1);
  // Tags and roles are looked up when the machines are known; here a lock must be met by its name.
  const locked = facts.locks.map((lock) => ({ name: lock.machine, tags: [], roles: [], lock }));
  const met = matchTargets(named, locked).targets.map(({ lock }) => lock);
  return met.find((lock) => !isOwn(lock, declaration, asked, facts)) ?? null;
}

function isOwn(
  lock: MachineLock,
  { locks }: Declaration,
  asked: Asked,
  { role, policy }: Pick<Facts, "role" | "policy">,
): boolean {
  const here = lock.pull === asked.pull && lock.foreign !== true;
  if (locks !== "releases") return here;
  const took = lock.by.toLowerCase() === asked.by.login.toLowerCase();
  return here || took || rankOf(role, policy.writers) >= ROLES.indexOf("maintain");
}
