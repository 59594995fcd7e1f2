import type { FleetRunner } from "../../../core/fleet/index.ts";
import type { KnownMachine } from "../contracts.ts";
import type { Enrolled } from "./runners.ts";

/** What the deploy runners' policies name for a repository, by name and then by host key. */
export function knownMachines(
  runners: readonly (Pick<FleetRunner, "pool" | "repositories" | "online" | "draining"> &
    Pick<Enrolled, "targets">)[],
  repository: number,
): KnownMachine[] {
  const found = new Map<string, KnownMachine>();
  for (const { pool, repositories, online, draining, targets } of runners) {
    if (pool !== "deploy" || (repositories !== null && !repositories.includes(repository)))
      continue;
    for (const { name, hostKey, repositories: of } of targets) {
      if (!of.includes(repository)) continue;
      const key = JSON.stringify([name, hostKey]);
      const here = (online && !draining) || (found.get(key)?.online ?? false);
      found.set(key, { name, hostKey, online: here });
    }
  }
  const order = ({ name, hostKey }: KnownMachine) => `${name} ${hostKey}`;
  return [...found.values()].toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}
