import type { DeployTarget } from "../../../protocol/machine.ts";
import { fingerprint } from "./host-key.ts";
import type { DeployPolicy } from "./policy.ts";

/** What the policy lets be changed or looked at for repositories of this host: told to the control plane, which asks for nothing else. */
export function targetsOf({ machines }: DeployPolicy, host: string): DeployTarget[] {
  return Object.values(machines).flatMap(({ hostKey, repositories }) => {
    const byName = Map.groupBy(
      repositories.filter((repository) => repository.host === host),
      ({ machine }) => machine,
    );
    return [...byName].map(([name, entries]) => ({
      name,
      hostKey: fingerprint(hostKey),
      repositories: [...new Set(entries.map(({ id }) => id))],
    }));
  });
}
