import { COMMANDS, type CommandName } from "./command.ts";
import type { ArgumentDeclaration, Button, Declaration } from "./declaration.ts";

/** What is the same for most commands; each says where it differs. */
const USUAL = {
  arguments: [],
  flags: [],
  permission: { usual: "write", least: "write" },
  where: "open-pull-request",
  binding: "none",
  forks: "as-others",
  checks: "any",
  byOthers: false,
  approvals: false,
  locks: "none",
  missing: null,
  button: null,
} as const satisfies Partial<Declaration>;

const MACHINE: ArgumentDeclaration = { name: "machine", kind: "machine", occurs: "once" };
const REASON: ArgumentDeclaration = { name: "reason", kind: "text", occurs: "optional" };
const DEPLOYERS = { usual: "maintain", least: "write" } as const;

const DECLARATIONS: Record<CommandName, Omit<Declaration, "name">> = {
  help: {
    ...USUAL,
    does: "Lists the commands.",
    permission: { usual: "read", least: "read" },
    where: "anywhere",
    example: "/help",
  },
  build: {
    ...USUAL,
    does: "Builds the attributes that are named, or all that a pull request builds.",
    arguments: [{ name: "attributes", kind: "attribute", occurs: "any" }],
    permission: { usual: "write", least: "triage" },
    binding: "recorded",
    forks: "approved-head",
    example: "/build checks.x86_64-linux.*",
  },
  test: {
    ...USUAL,
    does: "Runs the tests that are named, or all.",
    arguments: [{ name: "names", kind: "name", occurs: "any" }],
    flags: [{ name: "again", does: "also those whose inputs did not change" }],
    permission: { usual: "write", least: "triage" },
    binding: "recorded",
    forks: "approved-head",
    missing: "Snowcat runs no VM tests, cluster tests or declared commands yet",
    example: "/test --again boot",
  },
  plan: {
    ...USUAL,
    does: "Shows what a deploy would change. It contacts no machine.",
    arguments: [{ name: "targets", kind: "target", occurs: "any" }],
    permission: { usual: "write", least: "triage" },
    binding: "recorded",
    forks: "refused",
    example: "/plan tag:web,canary",
  },
  deploy: {
    ...USUAL,
    does: "Puts the pull request's head on the machines.",
    arguments: [{ name: "targets", kind: "target", occurs: "some" }],
    flags: [
      { name: "force", does: "also what was taken back before" },
      {
        name: "prune",
        does: "deletes what a cluster has and the commit has not",
        permission: { usual: "admin", least: "write" },
      },
    ],
    permission: DEPLOYERS,
    binding: "recorded",
    forks: "refused",
    checks: "success",
    approvals: true,
    locks: "respects",
    example: "/deploy machine1",
  },
  confirm: {
    ...USUAL,
    does: "Lets a deploy that waits for it go on.",
    permission: DEPLOYERS,
    binding: "recorded",
    forks: "refused",
    checks: "success",
    approvals: true,
    button: {
      identifier: "confirm",
      label: "Confirm",
      description: "Lets the deploy of this commit go on",
    },
    example: "/confirm",
  },
  rollback: {
    ...USUAL,
    does: "Takes a machine back to its previous generation, to the one that is named, or to its last good deploy.",
    arguments: [MACHINE, { name: "generation", kind: "generation", occurs: "optional" }],
    permission: DEPLOYERS,
    where: "anywhere",
    locks: "respects",
    example: "/rollback machine1 41",
  },
  lock: {
    ...USUAL,
    does: "Keeps a machine for this pull request.",
    arguments: [MACHINE, REASON],
    locks: "takes",
    example: "/lock machine1 the database is being moved",
  },
  unlock: {
    ...USUAL,
    does: "Lets go of a machine that is locked or held.",
    arguments: [MACHINE],
    where: "anywhere",
    locks: "releases",
    example: "/unlock machine1",
  },
  hold: {
    ...USUAL,
    does: "Keeps everybody from changing a machine until it is unlocked.",
    arguments: [MACHINE, REASON],
    where: "anywhere",
    locks: "takes",
    example: "/hold machine1 do not update before the audit",
  },
  status: {
    ...USUAL,
    does: "Shows the runs of the pull request's head, its approvals and what is locked.",
    permission: { usual: "read", least: "read" },
    where: "pull-request",
    example: "/status",
  },
  cancel: {
    ...USUAL,
    does: "Ends the head's runs, or the run or the kind of job that is named.",
    arguments: [{ name: "run/job", kind: "run-or-job", occurs: "optional" }],
    permission: { usual: "write", least: "triage" },
    where: "pull-request",
    button: {
      identifier: "cancel",
      label: "Cancel",
      description: "Ends what runs for this commit",
    },
    example: "/cancel 12",
  },
  retry: {
    ...USUAL,
    does: "Tries again what failed, everything, or one attribute.",
    arguments: [{ name: "failed/all/name", kind: "what", occurs: "optional" }],
    permission: { usual: "write", least: "triage" },
    binding: "recorded",
    forks: "approved-head",
    button: {
      identifier: "retry",
      label: "Retry failed",
      description: "Tries again what failed for this commit",
    },
    example: "/retry failed",
  },
  "ok-to-test": {
    ...USUAL,
    does: "Lets this commit of a fork, or of somebody without write, run in the untrusted pool.",
    binding: "named",
    button: {
      identifier: "ok-to-test",
      label: "OK to test",
      description: "Run this very commit",
    },
    example: `/ok-to-test ${"0123456789abcdef".repeat(3).slice(0, 40)}`,
  },
  bump: {
    ...USUAL,
    does: "Looks for a new version of a dependency, or takes the one that is named.",
    arguments: [
      { name: "name", kind: "name", occurs: "once" },
      { name: "version", kind: "version", occurs: "optional" },
    ],
    where: "anywhere",
    missing: "Snowcat makes no bumps yet",
    example: "/bump inventree 1.2.0",
  },
  approve: {
    ...USUAL,
    does: "Approves this commit for a deploy that asks for approvals.",
    binding: "named",
    forks: "refused",
    byOthers: true,
    example: `/approve ${"0123456789abcdef".repeat(3).slice(0, 40)}`,
  },
};

export function declarationOf(name: CommandName): Declaration {
  return { name, ...DECLARATIONS[name] };
}

/** As a check run offers them; none for a command without a button. */
export function buttonsOf(name: CommandName): Button[] {
  const { button } = DECLARATIONS[name];
  if (button === null) return [];
  const { label, description, identifier } = button;
  return [{ label, description, identifier }];
}

/** In the order of help and documentation. */
export function declarations(): Declaration[] {
  return COMMANDS.map(declarationOf);
}

/** As help shows it: `/deploy <targets>… [sha] [--force]`. */
export function usageOf({ name, arguments: taken, flags, binding }: Declaration): string {
  const parts = taken.map(({ name: argument, occurs }) => {
    switch (occurs) {
      case "once":
        return `<${argument}>`;
      case "some":
        return `<${argument}>…`;
      case "optional":
        return `[${argument}]`;
      case "any":
        return `[${argument}]…`;
    }
  });
  if (binding !== "none") parts.push(binding === "named" ? "<sha>" : "[sha]");
  parts.push(...flags.map((flag) => `[--${flag.name}]`));
  return [`/${name}`, ...parts].join(" ");
}
