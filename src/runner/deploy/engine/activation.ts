import type { DeployState } from "../../machine/index.ts";
import { inhibitedBy } from "../methods/shared/switch.ts";

/** What an activation that ended by itself came to. */
export type Activation =
  | { kind: "runs"; notices: string[] }
  /** Nothing of it could be switched to while the machine runs. */
  | { kind: "needs-reboot"; why: string }
  | { kind: "sick"; why: string; failedUnits: string[] };

/** Exit codes of `switch-to-configuration`: some units failed; what differs takes effect by a reboot alone. */
export const EXIT = { units: 4, reboot: 100 } as const;

/**
 * Exit code 4 says that units have failed, not since when: those that had failed before the deploy are told and blamed on
 * nobody, one that had not makes the system sick, whatever the exit code.
 */
export function judgeActivation(state: DeployState): Activation {
  const { activation, newlyFailed, stillFailed, log } = state;
  const failedUnits = [...(newlyFailed ?? [])];
  const tail = log === "" ? "" : `\n${log}`;
  // Where it runs, or something else does, health is to be asked for: nothing that says 100 gets past it.
  if (activation === EXIT.reboot && state.running === state.old)
    return { kind: "needs-reboot", why: `the activation asks for a reboot (exit code 100)${tail}` };
  if (activation !== 0 && activation !== EXIT.units) {
    // NixOS's own check refused it before anything was changed, with an exit code that says nothing (1).
    const inhibited = state.running === state.old ? inhibitedBy(log) : null;
    if (inhibited !== null) return { kind: "needs-reboot", why: `${inhibited}${tail}` };
    const how = activation === null ? "was stopped" : `exited with ${activation}`;
    return { kind: "sick", why: `the activation ${how}${tail}`, failedUnits };
  }
  if (state.running !== state.new)
    return {
      kind: "sick",
      why: `the activation exited with ${activation}, and the machine runs ${state.running ?? "nothing that is known"}${tail}`,
      failedUnits,
    };
  if (failedUnits.length > 0)
    return { kind: "sick", why: `units failed: ${failedUnits.join(", ")}${tail}`, failedUnits };
  if (activation === EXIT.units && newlyFailed === null)
    return {
      kind: "sick",
      why: `the activation says that units failed, and the machine cannot say which${tail}`,
      failedUnits,
    };
  const still = stillFailed ?? [];
  return {
    kind: "runs",
    notices: still.length === 0 ? [] : [`had failed before and still do: ${still.join(", ")}`],
  };
}
