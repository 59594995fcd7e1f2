import type { DeployStep } from "../../../../protocol/machine.ts";

/**
 * nix-darwin, by Snowcat's own program (`src/runner/machine/program/80-darwin.sh`): what it cannot do on a Mac, each with why.
 * `darwin-rebuild` has no target host; its `switch` builds anew and sets the profile before it activates, so that what failed
 * boots; its `check` exports `checkActivation` to a script whose first line (`env -i`) empties the environment, and so
 * activates (nix-darwin/nix-darwin pkgs/nix-tools/darwin-rebuild.sh, modules/system/{activation-scripts,checks}.nix@a1fa429).
 */
export const DARWIN_LACKS: Readonly<Partial<Record<DeployStep, string>>> = {
  "dry-activate":
    "nix-darwin has no dry activation: its checks run at the beginning of the activation itself, and end it there",
  health:
    "launchctl load succeeds whatever becomes of a daemon: those of nix-darwin that have ended with an error are looked for, others are not",
  commit:
    "the boot takes the profile's system, but files in /Library and users stay as the activation left them: power lost between activation and commit leaves those of the new system",
  revert:
    "what an activation did by itself (homebrew, defaults) is undone as far as the earlier system's activation does it; a process that left its group outlives a stopped activation",
};
