/**
 * What `switch-to-configuration` says when a system cannot be switched to while the machine runs. Tools pass its words on
 * and lose its exit code. NixOS/nixpkgs@0145c6da pkgs/by-name/sw/switch-to-configuration-ng/src/main.rs (checks come before
 * the boot entry, and end with 1; another init is told after it, with 100), @087f644f
 * nixos/modules/system/activation/pre-switch-check.nix.
 */

const CHECK = /Pre-switch check '([^'\n]{1,200})' failed/gu;
const INHIBITORS = "switchInhibitors";
const OTHER_INIT = /won't take effect until you reboot the system/u;

/**
 * Why only a reboot brings the system; null where nothing of what was said means that. A failed check of another name is a
 * failed activation, whatever else was said.
 */
export function inhibitedBy(log: string): string | null {
  const failed = [...log.matchAll(CHECK)].map(([, name]) => name);
  if (failed.some((name) => name !== INHIBITORS)) return null;
  if (failed.length > 0)
    return "critical parts of the system changed that cannot be exchanged while it runs (switch inhibitors)";
  return OTHER_INIT.test(log) ? "the new system has another init than the one that runs" : null;
}

/** Whether the boot entry had not been written yet when the activation was refused. */
export function isBeforeBootEntry(log: string): boolean {
  return [...log.matchAll(CHECK)].length > 0;
}

/** Of `switch-to-configuration` where it did its work and some unit has failed, now or long before: the machine knows which. */
export const UNITS_FAILED = 4;
