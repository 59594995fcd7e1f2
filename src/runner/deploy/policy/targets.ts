import type { DeployTarget } from "../../../protocol/machine.ts";
import { fingerprint } from "./host-key.ts";
import type { DeployPolicy } from "./policy.ts";

/** What the policy lets be changed or looked at for repositories of this host: told to the control plane, which asks for nothing else. */
export function targetsOf({ machines, clusters = {} }: DeployPolicy, host: string): DeployTarget[] {
  const all = [
    ...Object.values(machines).map(({ hostKey, repositories }) => ({
      hostKey: fingerprint(hostKey),
      repositories,
    })),
    ...Object.values(clusters).map(({ authority, repositories }) => ({
      hostKey: authority,
      repositories,
    })),
  ];
  return all.flatMap(({ hostKey, repositories }) => {
    const byName = Map.groupBy(
      repositories.filter((repository) => repository.host === host),
      ({ machine }) => machine,
    );
    return [...byName].map(([name, entries]) => ({
      name,
      hostKey,
      repositories: [...new Set(entries.map(({ id }) => id))],
    }));
  });
}
