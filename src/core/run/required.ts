import type { Attribute } from "../../protocol/attribute.ts";

/**
 * Whether an attribute belongs to one of the required systems: by the system of its path or by that of its derivation,
 * whichever is required. `packages.x86_64-linux.image`, which is an aarch64 derivation, is promised for x86_64, and
 * `packages.aarch64-linux.cross`, which is built on x86_64, can be built there: left out, either would be a green check
 * for something that nobody looked at. What has no system concerns everybody.
 */
export function isOfSystems(attribute: Attribute, systems: readonly string[]): boolean {
  const { system, result } = attribute;
  const own = result.kind === "derivation" ? result.derivation.system : null;
  const named = [system, own].filter((name) => name !== null && name !== "builtin");
  return named.length === 0 || named.some((name) => systems.includes(name!));
}
