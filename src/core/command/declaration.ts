import type { CommandName, Role } from "./command.ts";

/** What a command takes, who may give it, and what must hold: everything that is known of it before it is judged. */
export type Declaration = {
  name: CommandName;
  /** For help and documentation: one sentence. */
  does: string;
  arguments: readonly ArgumentDeclaration[];
  flags: readonly FlagDeclaration[];
  /** `usual` unless the policy says otherwise, which it may down to `least`. */
  permission: { usual: Role; least: Role };
  where: Where;
  binding: Binding;
  /** What a pull request from a fork changes: nothing, its head must be approved, or the command is refused. */
  forks: "as-others" | "approved-head" | "refused";
  /** Whether the head's newest run must have succeeded. */
  checks: "any" | "success";
  /** Whoever wrote or pushed the head cannot. */
  byOthers: boolean;
  /** The policy may ask for approvals of the head by others. */
  approvals: boolean;
  /** What a lock of a machine that its arguments name means to it. */
  locks: "none" | "respects" | "takes" | "releases";
  /** What is missing before it can act; null when nothing is. */
  missing: string | null;
  button: Button | null;
  example: string;
};

export type Where =
  /** A comment on a pull request that is open. */
  | "open-pull-request"
  /** A comment on a pull request in any state. */
  | "pull-request"
  | "anywhere";

/** How a command is bound to a commit. A button carries the SHA of its check in any case. */
export type Binding =
  /** It always names the full SHA. */
  | "named"
  /** It may name the SHA; else the head counts as recorded (see `bind.ts`). */
  | "recorded"
  /** It is about no commit. */
  | "none";

export type ArgumentDeclaration = {
  /** As usage shows it. */
  name: string;
  kind: ArgumentKind;
  /** A list (`any`, `some`: one at least) and a `text` come last. */
  occurs: "once" | "optional" | "any" | "some";
};

export type ArgumentKind =
  /** An attribute path as Nix spells it, or a glob. */
  | "attribute"
  /** A declared test or bump. */
  | "name"
  /** Name, glob, `tag:a,b` or `role:x`. */
  | "target"
  /** One machine, by its name. */
  | "machine"
  | "generation"
  | "version"
  /** Number of a run, or a kind of job. */
  | "run-or-job"
  /** `failed`, `all` or the name of an attribute. */
  | "what"
  /** The rest of the line. It is only ever shown. */
  | "text";

/** `permission`: who may, beside giving the command. */
export type FlagDeclaration = {
  name: string;
  does: string;
  permission?: Declaration["permission"];
};

/** On a check run. GitHub takes 20 characters of identifier and label, 40 of description. */
export type Button = { identifier: string; label: string; description: string };
