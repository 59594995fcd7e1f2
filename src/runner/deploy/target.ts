import type { MachineTarget } from "../machine/index.ts";
import type { PolicyMachine } from "./policy/policy.ts";

/** How the policy has the machine reached; for looking at it, by the key that can do no more where there is one. */
export function targetOf(machine: PolicyMachine, kind: "observe" | "deploy"): MachineTarget {
  const { address, port, user, sudo, hostKey, identityFile, observeIdentityFile, program } =
    machine;
  return {
    address,
    port,
    user,
    sudo,
    hostPublicKey: hostKey,
    identityFile: kind === "observe" ? (observeIdentityFile ?? identityFile) : identityFile,
    // A key that can only observe has its program with the machine.
    program: kind === "observe" && observeIdentityFile !== null ? "installed" : program,
  };
}
