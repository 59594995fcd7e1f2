import type { DeployStep, Method } from "../../protocol/machine.ts";

/** Steps of a deploy that a method cannot do as they are meant, each with why; plans and logs say so. */
export const LACKS = {
  plain: {},
  "nixos-rebuild": {
    revert:
      "nixos-rebuild goes back to the generation before the profile's, whatever ran: the machine's system, profile and boot entry are put back by Snowcat",
  },
  clan: {
    revert:
      "clan has no rollback: the machine's system, profile and boot entry are put back by Snowcat; secrets (vars) that clan has uploaded before the activation stay",
  },
  colmena: {
    revert:
      "colmena has no rollback: the machine's system, profile and boot entry are put back by Snowcat; keys (`deployment.keys`) that colmena has uploaded stay",
  },
  "deploy-rs": {
    verify:
      "deploy-rs wraps the system in a package with its own program and the profile's activation script: that package comes by deploy-rs, from this runner's store, and stands on no manifest",
    revert:
      "deploy-rs's own rollback (`magicRollback`, `autoRollback`) is switched off: system, profile and boot entry are put back by Snowcat",
  },
  krops: {
    space: "the machine builds by itself: how much it will need is not known before",
    copy: "krops sends sources with its own rsync",
    verify:
      "the system is built on the machine: that its tree was approved is all that is known before",
    "dry-activate": "there is no system to try before the machine has built and activated it",
  },
  script: {
    build: "what the command makes is not known before it has run",
    space: "how much the command will need is not known",
    copy: "the command brings what it brings by itself",
    verify: "no closure is approved: that the tree was, is all that is known before",
    "dry-activate": "there is no system to try before the command has activated it",
  },
  // Each with its source in docs/decisions/darwin.md.
  darwin: {
    "dry-activate":
      "nix-darwin has no dry activation: its checks run at the beginning of the activation itself, and end it there",
    health:
      "launchctl load succeeds whatever becomes of a daemon: those of nix-darwin that have ended with an error are looked for, others are not",
    commit:
      "the boot takes the profile's system, but files in /Library and users stay as the activation left them: power lost between activation and commit leaves those of the new system",
    revert:
      "what an activation did by itself (homebrew, defaults) is undone as far as the earlier system's activation does it; a process that left its group outlives a stopped activation",
  },
  kubernetes: {
    space: "a cluster has no store that is filled by a deploy",
    copy: "the deployment program brings its own closure, if any",
    backup:
      "there is no machine on which a backup's command could run: make it a hook of the deployment",
    revert:
      "nothing takes a cluster back when the runner is gone: the runner applies the earlier program again, and what the newer one added stays",
  },
} as const satisfies Readonly<Record<Method, Readonly<Partial<Record<DeployStep, string>>>>>;

/** The same as lines, in the order of the table. */
export function lacksOf(method: Method): { step: string; why: string }[] {
  return Object.entries(LACKS[method]).map(([step, why]) => ({ step, why }));
}
