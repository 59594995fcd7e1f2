import type { HostKey } from "../../../protocol/machine.ts";
import { fingerprintOf } from "../../machine/index.ts";

/** True for `ssh-ed25519 <base64>`, as a machine's `ssh_host_ed25519_key.pub` has it, less the comment. */
export function isHostKeyLine(line: string): boolean {
  return fingerprintOf(line) !== null;
}

/** Who a machine of the policy is. @throws for a line that the policy's schema would have refused. */
export function fingerprint(line: string): HostKey {
  const hostKey = fingerprintOf(line);
  if (hostKey === null) throw new Error("a host key of the policy is none");
  return hostKey;
}
