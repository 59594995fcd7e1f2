import type { HealthCheck, HostKey, Observation } from "../../protocol/machine.ts";
import type { Environment } from "../process/index.ts";

/**
 * A machine over ssh, as one deploy sees it: each method is one verb of the program that runs there, and one new
 * connection. Nothing throws for what a machine or a link does; see `MachineFault`.
 */
export interface Machine {
  readonly hostKey: HostKey;
  /** Begins the connection of the next verb, so that it stands when that is asked; nothing waits for it. */
  open(): void;
  /** What runs there; changes nothing and needs no counter. */
  observe(): Promise<Reply<Observation>>;
  /**
   * Takes the counter and the machine for this deploy: refuses a lower or equal counter (`stale-counter`), another deploy
   * that is past its activation (`busy`), and another running system than expected (`moved`). Roots what runs.
   */
  begin(request: BeginRequest): Promise<Reply<Begun>>;
  /** Refuses (`no-space`) when /nix or /boot has less free than asked, in bytes and inodes. */
  space(request: SpaceRequest): Promise<Reply<Space>>;
  /** Which of these paths the machine's store lacks. With the counter of a deploy, `copy` of the same array need not ask again. */
  missing(request: MissingRequest): Promise<Reply<readonly string[]>>;
  /**
   * Instead of `copy` and `verify`, where the machine goes back to a system that one of its own generations has: refuses
   * (`not-prepared`) any other. The deploy is `verified` then.
   */
  reuse(request: { counter: number }): Promise<Reply<Verified>>;
  /** Sends what the machine's store lacks of the closure, and roots the system. */
  copy(request: CopyRequest): Promise<Reply<Copied>>;
  /** The closure as registered in the machine's store is the manifest's, path for path; bytes on disk are hashed again. */
  verify(request: VerifyRequest): Promise<Reply<Verified>>;
  /** Runs a command of the repository's on the machine, as root, with a limit of its own. */
  command(request: CommandRequest): Promise<Reply<CommandEnd>>;
  dryActivate(request: { counter: number; timeoutSeconds: number }): Promise<Reply<CommandEnd>>;
  /** Arms the watchdog, then starts the activation, both detached; returns when both run. */
  activate(request: ActivateRequest): Promise<Reply<DeployState>>;
  /**
   * Arms the watchdog and starts nothing, for a tool that activates by itself: system, profile and boot entry go back unless
   * `activated` is heard within the activation limit. The deploy is `activating` then.
   */
  guard(request: ActivateRequest): Promise<Reply<DeployState>>;
  /**
   * The tool has ended. `exitCode` as an activation's: 0, 4 (units failed), 100 (only a reboot helps), or what it failed with.
   * What runs (boots, for 100) is the new system where `begin` named none. `wait` for `activated`.
   */
  activated(request: { counter: number; exitCode: number }): Promise<Reply<DeployState>>;
  /** The tool has done nothing: the watchdog goes. Refused (`moved`) where something else runs or boots than before it. */
  unguard(request: { counter: number }): Promise<Reply<DeployState>>;
  /**
   * Waits until `until` holds of the deploy's state, connecting anew when the link is cut, `seconds` at most in all.
   * The last state that was seen is returned when time is up (`value.until === false`).
   */
  wait(request: WaitRequest): Promise<Reply<{ state: DeployState; until: boolean }>>;
  /** Says over a new connection that the machine can be reached; a commit is refused without (`state`). */
  confirm(request: { counter: number }): Promise<Reply<DeployState>>;
  /** `unit` and `command` checks, once, on the machine. */
  check(request: { check: MachineCheck; timeoutSeconds: number }): Promise<Reply<CheckEnd>>;
  /** Looks at files and folders there, and changes nothing; one for each path, in the same order. */
  digest(request: { paths: readonly string[] }): Promise<Reply<readonly FileDigest[]>>;
  /** Starts profile and boot entry, detached; from here the watchdog does not revert. `wait` for `committed`. */
  commit(request: { counter: number }): Promise<Reply<DeployState>>;
  /** Starts putting back what ran before, detached; `wait` for `reverted`. */
  revert(request: { counter: number; why: string }): Promise<Reply<DeployState>>;
  /** The deploy as the machine's own journal has it, whoever asks; null where none was ever begun. */
  state(): Promise<Reply<DeployState | null>>;
  /** Closes the deploy: what is left of it on the machine (roots, the watchdog) goes; refused while something of it runs. */
  end(request: { counter: number }): Promise<Reply<DeployState>>;
  /** Removes what the client keeps on the runner (a known-hosts file). */
  close(): Promise<void>;
}

export interface MachineTarget {
  /** An IP address or a host name; never begins with `-`. */
  readonly address: string;
  readonly port: number;
  /** Root, or somebody who may become it; see `sudo`. */
  readonly user: string;
  /** Whether each verb is run by `sudo -n`. */
  readonly sudo: boolean;
  /** The pinned host key as OpenSSH writes it: `ssh-ed25519 AAAA…`, without a comment. */
  readonly hostPublicKey: string;
  /** A private key's file, readable by the agent alone. */
  readonly identityFile: string;
  /** Where the program comes from: sent with each connection, or installed there as the key's forced command. */
  readonly program: "sent" | "installed";
}

export interface MachineOptions {
  readonly connectSeconds: number;
  /** Of one verb that is not told a limit of its own, in seconds. */
  readonly verbSeconds?: number;
  /** Unix time in milliseconds. */
  readonly now: () => number;
  /** Ends the connection of the verb under way; what runs detached on the machine goes on. */
  readonly signal?: AbortSignal;
  /** Environment of `ssh` (PATH); nothing else is inherited. */
  readonly env: Environment;
  /** Told each verb and how it ended; never an argument that is secret, there is none. */
  readonly say?: (line: string) => void;
}

export type Reply<T> = { readonly kind: "done"; readonly value: T } | MachineFault;

export type MachineFault =
  /** No connection: no route, no sshd, a wrong key at either end. The verb was not begun. */
  | { readonly kind: "unreachable"; readonly why: string }
  /** The connection ended before the answer was whole: the verb may have been done. Ask `state`. */
  | { readonly kind: "lost"; readonly why: string }
  /** The machine did not do it, and nothing was changed. */
  | { readonly kind: "refused"; readonly code: RefusalCode; readonly why: string }
  /** It was tried, and failed. `log`: the end of what was said meanwhile. */
  | { readonly kind: "failed"; readonly why: string; readonly log: string };

export const REFUSALS = [
  /** The machine has accepted a higher counter (or this one, by somebody else). */
  "stale-counter",
  /** Another deploy of it is under way. */
  "busy",
  /** Something else runs than was expected. */
  "moved",
  "no-space",
  /** The verb does not fit how far the deploy is. */
  "state",
  /** The closure on the machine is not the manifest's. */
  "forged",
  /** Something the machine needs is missing: Nix, a profile, a system that can be activated. */
  "not-prepared",
  "bad-request",
] as const;
export type RefusalCode = (typeof REFUSALS)[number];

export interface BeginRequest {
  readonly counter: number;
  /** What must run now; null: whatever runs. */
  readonly expected: string | null;
  /** What is to be put there; null where nobody can know before it is there. */
  readonly system: string | null;
}

export interface Begun {
  /** What runs, and is put back by a revert; null where nothing is known to run, which `begin` refuses. */
  readonly running: string;
  /** Units that had failed before; null where there is no systemd. */
  readonly failedUnits: readonly string[] | null;
  readonly bootId: string;
}

export interface SpaceRequest {
  readonly counter: number;
  /** Bytes that must be free at /nix after subtracting nothing: the closure's bytes that are missing there, and a reserve. */
  readonly nixBytes: number;
  readonly nixInodes: number;
  /** At /boot, where something is mounted there. */
  readonly bootBytes: number;
}

export interface Space {
  readonly nixBytes: number;
  readonly nixInodes: number;
  readonly bootBytes: number | null;
}

/** The store that holds the closure, and the program that reads it. */
export interface SourceStore {
  /** `nix-store`, or where it lies. */
  readonly nixStore: string;
  /** `--store` of that program; null is the default one. */
  readonly url: string | null;
  readonly env: Environment;
}

export interface MissingRequest {
  readonly paths: readonly string[];
  readonly counter?: number;
}

export interface CopyRequest {
  readonly counter: number;
  readonly system: string;
  /** The whole closure, references before what refers to them or in any order. */
  readonly paths: readonly string[];
  readonly from: SourceStore;
  readonly timeoutSeconds: number;
}

export interface Copied {
  /** Paths that the machine lacked, and the bytes of the stream that brought them. */
  readonly paths: number;
  readonly bytes: number;
}

export interface VerifyRequest {
  readonly counter: number;
  readonly system: string;
  /** `manifestText`, whose SHA-256 (hex) is `digest`; the machine computes it again. */
  readonly manifest: string;
  readonly digest: string;
  /** Whose bytes are read again and hashed: those that `copy` brought, or all. */
  readonly bytes: "copied" | "all";
  readonly timeoutSeconds: number;
}

export interface Verified {
  readonly paths: number;
  /** Of them, those whose bytes were hashed. */
  readonly hashed: number;
}

export interface CommandRequest {
  readonly counter: number;
  readonly argv: readonly string[];
  readonly timeoutSeconds: number;
}

export interface CommandEnd {
  /** 124: over its limit. */
  readonly exitCode: number;
  /** The end of stdout and stderr, mixed. */
  readonly log: string;
}

export interface ActivateRequest {
  readonly counter: number;
  readonly activationSeconds: number;
  readonly confirmationSeconds: number;
}

/** A deploy on the machine, by its own journal; in this order, and a reverting one may follow each from `armed` on. */
export const DEPLOY_STATES = [
  "begun",
  "copied",
  "verified",
  /** The watchdog runs, the activation is about to be started. */
  "armed",
  "activating",
  /** The activation ended by itself, whatever its exit code. */
  "activated",
  "confirmed",
  "committing",
  "committed",
  /** The boot entry could not be written; the profile was put back. */
  "commit-failed",
  "reverting",
  "reverted",
  /** The old system's activation failed as well, or was over its limit. */
  "revert-failed",
] as const;
export type DeployStateName = (typeof DEPLOY_STATES)[number];

export interface DeployState {
  readonly counter: number;
  readonly name: DeployStateName;
  /** `end` was called: nothing of it is left to do. */
  readonly ended: boolean;
  /** Whether a detached part of it (watchdog, activation, commit, revert) runs now. */
  readonly alive: boolean;
  /** A tool activates: nothing on the machine goes on by itself but the watchdog. */
  readonly guarded: boolean;
  /** Unix time (s) of the state, by the machine's clock. */
  readonly since: number;
  readonly old: string;
  /** Null until it is known what a source brings. */
  readonly new: string | null;
  /** Of `switch-to-configuration test`: 0, 4 (units failed), 100 (needs a reboot), …; null: none, or killed at its limit. */
  readonly activation: number | null;
  /** What was said meanwhile; the end. */
  readonly log: string;
  /** Why it is reverted: `activation-limit`, `confirmation-limit`, or what `revert` was told. */
  readonly why: string | null;
  /** Generation of the profile once committed. */
  readonly generation: number | null;
  /** What runs now (/run/current-system), what boots next (the profile), and the boot this was begun in and is now. */
  readonly running: string | null;
  readonly boots: string | null;
  readonly rebooted: boolean;
  /** Units that have failed now and had not before `begin`; null where there is no systemd, and where only `wait` and `state` look. */
  readonly newlyFailed: readonly string[] | null;
  /** Those that had before and have now. */
  readonly stillFailed: readonly string[] | null;
}

export interface WaitRequest {
  readonly counter: number;
  /** Returns as soon as the deploy is in one of these states. */
  readonly until: readonly DeployStateName[];
  readonly seconds: number;
}

/** Health checks that the machine answers itself. */
export type MachineCheck = Extract<HealthCheck, { kind: "unit" | "command" }>;

/** What a path is there, links followed. `file`: SHA-256 (hex) of what it holds, and its bytes. */
export type FileDigest =
  | { readonly kind: "missing" }
  | { readonly kind: "file"; readonly sha256: string; readonly bytes: number }
  /** `entries`: how many it holds. */
  | { readonly kind: "folder"; readonly entries: number }
  | { readonly kind: "other" };

export interface CheckEnd {
  readonly healthy: boolean;
  /** `inactive`, `failed`, `exited with 3: …`; empty when healthy. */
  readonly why: string;
}
