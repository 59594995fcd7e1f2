import * as z from "zod";
import { ObjectName, StorePath } from "./identifiers.ts";
import { ClosureDifference } from "./impact.ts";
import { Source } from "./source.ts";
import { ToolWork } from "./tool.ts";

/** Machines, what is done to them, and how it ended: what control plane, deploy runner and the people at both share. */

/**
 * A machine's ssh host key (ed25519) as `ssh-keygen -l` prints it: what the machine is known by, whatever its name or address.
 * A deploy runner pins it in its own policy.
 */
export const HostKey = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/u);
export type HostKey = z.infer<typeof HostKey>;

/** As a repository names it. Never a flag, never a path. */
export const MachineName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u);
export type MachineName = z.infer<typeof MachineName>;

/** How a machine is changed. `source`: it builds by itself, and what came out is compared afterwards. */
export const METHODS = {
  plain: "closure",
  "nixos-rebuild": "closure",
  krops: "source",
  clan: "closure",
  "deploy-rs": "closure",
  colmena: "closure",
  darwin: "closure",
  kubernetes: "source",
  script: "source",
} as const satisfies Record<string, "closure" | "source">;
export const Method = z.enum(
  Object.keys(METHODS) as [keyof typeof METHODS, ...(keyof typeof METHODS)[]],
);
export type Method = z.infer<typeof Method>;

/** Counts the deploys of a machine. A machine refuses whatever carries a lower number than it has stored: the fencing token. */
export const DeployCounter = z.int().positive().max(1_000_000_000);

/** A machine that a job is about, by the name of its repository and by its identity. */
export const MachineReference = z.strictObject({ name: MachineName, hostKey: HostKey });
export type MachineReference = z.infer<typeof MachineReference>;

const Unit = z.string().min(1).max(256);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/u);
const Text = z.string().max(4_096);
const Seconds = z.number().positive().max(86_400);

/** Times (s) of a health check: tried until it holds, `graceSeconds` at most in all. */
const Patience = {
  graceSeconds: Seconds,
  intervalSeconds: Seconds,
  timeoutSeconds: Seconds,
};
/** What must hold after a deploy. `http`, `websocket` and `tcp` are asked from the runner, `unit` and `command` on the machine. */
export const HealthCheck = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("http"),
    url: z.url({ protocol: /^https?$/u }).max(2_048),
    ...Patience,
  }),
  z.strictObject({
    kind: z.literal("websocket"),
    url: z.url({ protocol: /^wss?$/u }).max(2_048),
    ...Patience,
  }),
  z.strictObject({
    kind: z.literal("tcp"),
    host: z.string().min(1).max(253),
    port: z.int().min(1).max(65_535),
    ...Patience,
  }),
  z.strictObject({ kind: z.literal("unit"), unit: Unit, ...Patience }),
  z.strictObject({
    kind: z.literal("command"),
    argv: z.array(z.string().min(1).max(4_096)).min(1).max(128),
    ...Patience,
  }),
]);
export type HealthCheck = z.infer<typeof HealthCheck>;

/** Generations and units that one observation tells at most. */
export const OBSERVATION = { generations: 64, units: 200, updaters: 16 } as const;

const Generation = z.strictObject({
  number: z.int().positive(),
  system: StorePath,
  /** Unix time (ms) of its link. */
  at: z.int().nonnegative(),
});
export type Generation = z.infer<typeof Generation>;

const Free = z.strictObject({
  freeBytes: z.int().nonnegative(),
  freeInodes: z.int().nonnegative(),
});

/** What a machine says of itself; read-only, nothing of it is executed. */
export const Observation = z.strictObject({
  /** Unix time (ms), by the runner's clock. */
  at: z.int().nonnegative(),
  /** `/run/current-system`, `/run/booted-system`; null where there is no such link. */
  system: StorePath.nullable(),
  booted: StorePath.nullable(),
  /** What the system profile points at: what boots next, as far as Nix knows. */
  profile: Generation.nullable(),
  /** Newest first. */
  generations: z.array(Generation).max(OBSERVATION.generations),
  /** Null where there is no systemd. */
  failedUnits: z.array(Unit).max(OBSERVATION.units).nullable(),
  nix: Free,
  /** Null where nothing is mounted at /boot. */
  boot: Free.nullable(),
  /** The highest deploy counter that was accepted; 0 before the first. */
  counter: z.int().nonnegative(),
  /** A deploy that has begun on the machine and has not ended. */
  unfinished: z
    .strictObject({ counter: DeployCounter, step: z.string().max(64), since: z.int() })
    .nullable(),
  /** Units by which the machine updates itself: `nixos-upgrade.timer`, `comin.service`. */
  updaters: z.array(Unit).max(OBSERVATION.updaters),
  /** The kernel's boot id: another one means that it was started anew. */
  bootId: z.string().max(64),
});
export type Observation = z.infer<typeof Observation>;

/** One path of a closure. */
export const ManifestPath = z.strictObject({
  path: StorePath,
  narHash: z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/u),
  narSize: z.int().nonnegative(),
});
export type ManifestPath = z.infer<typeof ManifestPath>;

/** Paths of one system's closure. */
export const MANIFEST_PATHS = 100_000;

/**
 * Every path of a system's closure with its hash, as a trusted builder's store has them. The bytes travel as a blob named by
 * `digest`, the SHA-256 (hex) of `manifestText`; the builder signs the same text.
 */
export const ManifestHead = z.strictObject({
  digest: Sha256,
  system: StorePath,
  paths: z.int().positive().max(MANIFEST_PATHS),
  narBytes: z.int().nonnegative(),
  /** Ed25519 over `manifestText`, base64, and the builder's public key, raw, base64. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/u),
  builder: z.string().max(64),
});
export type ManifestHead = z.infer<typeof ManifestHead>;

/** For whom a manifest stands: the repository and the commit that was evaluated, and the machine's name in it. */
export type ManifestOf = { host: string; repository: number; sha: string; machine: string };

/** The exact text that is hashed and signed (UTF-8): a line for the format, a JSON line for whom, then sorted `path narHash narSize`. */
export function manifestText(
  of: ManifestOf,
  system: string,
  paths: readonly ManifestPath[],
): string {
  const lines = paths
    .map(({ path, narHash, narSize }) => `${path} ${narHash} ${narSize}\n`)
    .toSorted();
  const head = JSON.stringify([of.host, of.repository, of.sha, of.machine, system]);
  return `snowcat-manifest-1\n${head}\n${lines.join("")}`;
}

/** Steps of a deploy in their order; a machine's journal and its verdict name them. */
export const DEPLOY_STEPS = [
  "connect",
  /** By an outside tool: whether it has what it needs, and what it makes of the tree. */
  "check",
  "build",
  "begin",
  "space",
  "copy",
  "verify",
  "backup",
  "dry-activate",
  "activate",
  "confirm",
  "health",
  "commit",
  "read-back",
  "revert",
] as const;
export const DeployStep = z.enum(DEPLOY_STEPS);
export type DeployStep = z.infer<typeof DeployStep>;

/**
 * How a deploy of one machine ended. Only `active` is a success. Every arm says what runs there now as far as it was seen
 * (`running`, null: not seen).
 */
const running = { running: StorePath.nullable() };
export const MachineOutcome = z.discriminatedUnion("kind", [
  /** The wanted system runs, was confirmed and healthy, and boots. `notices`: units that had failed before and still do. */
  z.strictObject({
    kind: z.literal("active"),
    system: StorePath,
    generation: z.int().positive().nullable(),
    notices: z.array(Text).max(32),
    ...running,
  }),
  /** It was activated, and taken back: the machine runs and boots what it ran before. */
  z.strictObject({
    kind: z.literal("rolled-back"),
    step: DeployStep,
    why: Text,
    /** Units that failed by the new system and not before it. */
    failedUnits: z.array(Unit).max(OBSERVATION.units),
    ...running,
  }),
  /** The wanted system boots next; what runs needs a reboot to become it. */
  z.strictObject({ kind: z.literal("needs-reboot"), system: StorePath, why: Text, ...running }),
  /** Nothing of the machine was changed (paths that were copied stay until they are collected). */
  z.strictObject({ kind: z.literal("failed-untouched"), step: DeployStep, why: Text, ...running }),
  /** Something that must be there before is missing: a sentinel, a secret, a file. */
  z.strictObject({
    kind: z.literal("not-prepared"),
    missing: z.array(Text).min(1).max(32),
    ...running,
  }),
  /** It runs and is healthy, but its boot entry could not be written: the next boot brings `boots`. */
  z.strictObject({
    kind: z.literal("bootloader"),
    system: StorePath,
    why: Text,
    boots: StorePath.nullable(),
    ...running,
  }),
  /** Somebody's hold or lock, or the runner's own policy, keeps it as it is. */
  z.strictObject({ kind: z.literal("held"), why: Text, ...running }),
  /** What runs could not be read back, or is neither the old nor the new: a person must look. */
  z.strictObject({ kind: z.literal("unknown"), step: DeployStep, why: Text, ...running }),
]);
export type MachineOutcome = z.infer<typeof MachineOutcome>;

/**
 * A deploy that a person made at a deploy runner with the control plane out of reach; told with the next observation of the
 * machine, which by then has the counter.
 */
export const LocalDeploy = z.strictObject({
  counter: DeployCounter,
  /** Unix time (ms) when it began, by the runner's clock. */
  at: z.int().nonnegative(),
  /** The user of the runner, and what was given as the reason. */
  by: z.string().max(256),
  why: z.string().max(1_024),
  outcome: MachineOutcome,
});
export type LocalDeploy = z.infer<typeof LocalDeploy>;

/** Local deploys that one frame tells. */
export const LOCAL_DEPLOYS = 16;

/** Limits (s) of one deploy, by the machine's own clock where it keeps them itself. */
export const DeployLimits = z.strictObject({
  /** Of one connection's beginning. */
  connectSeconds: Seconds,
  copySeconds: Seconds,
  /** Of the activation; the machine's watchdog stops it and reverts. */
  activationSeconds: Seconds,
  /** From the end of the activation to the commit, health included; the watchdog reverts. */
  confirmationSeconds: Seconds,
});
export type DeployLimits = z.infer<typeof DeployLimits>;

/** What is to become of the machine. */
export const DeployAction = z.discriminatedUnion("kind", [
  /** This very system, with its manifest. */
  z.strictObject({ kind: z.literal("system"), system: StorePath, manifest: ManifestHead }),
  /** An earlier generation of its profile; null is the one before the profile's. `system`: what it must be, where that is known. */
  z.strictObject({
    kind: z.literal("generation"),
    number: z.int().positive().nullable(),
    system: StorePath.nullable(),
  }),
  /** This tree, by a method that builds elsewhere: no system is approved, and what came of it is read afterwards. */
  z.strictObject({ kind: z.literal("source"), tree: ObjectName }),
]);
export type DeployAction = z.infer<typeof DeployAction>;

/** Job kind `observe`: asks each machine what runs. */
export const ObserveWork = z.strictObject({
  kind: z.literal("observe"),
  machines: z.array(MachineReference).min(1).max(100),
  connectSeconds: Seconds,
});

/** Job kind `deploy`: one machine, once. */
export const DeployWork = z
  .strictObject({
    kind: z.literal("deploy"),
    machine: MachineReference,
    method: Method,
    /** How the method's tool is called; null for `plain`, which has none. */
    tool: ToolWork.nullable(),
    /**
     * The tree that the tool works on. On the way back it is the one whose sources come back; null where none do: then
     * the machine's generation alone does.
     */
    source: Source.nullable(),
    counter: DeployCounter,
    /** The commit whose system it is, and the ref of the repository it stands on: the runner's policy looks at it. */
    sha: ObjectName,
    ref: z
      .string()
      .regex(/^refs\/[^\u0000-\u0020\u007f]+$/u)
      .max(1_024),
    action: DeployAction,
    /** What the plan was made against: the machine is not touched when it runs something else. Null: whatever runs. */
    expected: StorePath.nullable(),
    health: z.array(HealthCheck).max(64),
    /** Run on the machine before it is activated; its failure ends the deploy. */
    backup: z.array(z.string().min(1).max(4_096)).max(128).nullable(),
    limits: DeployLimits,
  })
  .superRefine((work, context) => {
    for (const message of contradictions(work)) context.addIssue({ code: "custom", message });
  });
export type DeployWork = z.infer<typeof DeployWork>;

/** What a deploy says twice has to be the same: neither tool nor tree may be another than what was approved. */
function contradictions({
  method,
  tool,
  source,
  sha,
  action,
}: {
  method: Method;
  tool: ToolWork | null;
  source: Source | null;
  sha: string;
  action: DeployAction;
}): string[] {
  const found: string[] = [];
  if ((tool?.kind ?? "plain") !== method) found.push("the tool is another method's");
  if (action.kind === "generation") return found;
  if ((action.kind === "source") !== (METHODS[method] === "source"))
    found.push(`${method} does not deploy a ${action.kind}`);
  if ((source === null) !== (tool === null)) found.push("a tool and a tree go together");
  if (source !== null && source.sha !== sha) found.push("the tree is another commit's");
  if (action.kind === "source" && source !== null && source.tree !== action.tree)
    found.push("the tree is not the approved one");
  return found;
}

/** Most of what one plan names; counts are whole. */
export const PLAN = { units: 200, warnings: 64 } as const;

const Units = z.strictObject({
  count: z.int().nonnegative(),
  units: z.array(Unit).max(PLAN.units),
});
/**
 * How unit files differ between what runs and what is planned, from the store alone (`etc/systemd/system` of both):
 * changed ones restart, or reload, or are left alone as they say themselves (`X-RestartIfChanged`, `X-ReloadIfChanged`, …).
 */
const UnitChanges = z.strictObject({
  start: Units,
  stop: Units,
  restart: Units,
  reload: Units,
  /** They differ and say that they are not to be restarted. */
  left: Units,
});
const unknown = z.strictObject({ kind: z.literal("unknown"), why: z.string().max(1_024) });

/** What putting a system on a machine would change, and what it would be put there as. */
export const MachinePlan = z.strictObject({
  machine: MachineName,
  manifest: ManifestHead,
  /** What it is compared with: null where the machine was never observed, or the store has not what it ran. */
  running: StorePath.nullable(),
  closure: z.discriminatedUnion("kind", [
    ClosureDifference.extend({ kind: z.literal("known") }),
    unknown,
  ]),
  units: z.discriminatedUnion("kind", [UnitChanges.extend({ kind: z.literal("known") }), unknown]),
  /** Kernel, initrd, kernel modules or systemd differ. Null: not known. */
  reboot: z.boolean().nullable(),
  /** By rule: migrations, destructive options. */
  warnings: z.array(z.strictObject({ rule: z.string().max(64), message: Text })).max(PLAN.warnings),
});
export type MachinePlan = z.infer<typeof MachinePlan>;

/** A machine that a runner's own policy lets it change, for these repositories (numeric ids); told with `hello`. */
export const DeployTarget = z.strictObject({
  ...MachineReference.shape,
  repositories: z.array(z.int().positive()).min(1).max(64),
});
export type DeployTarget = z.infer<typeof DeployTarget>;
