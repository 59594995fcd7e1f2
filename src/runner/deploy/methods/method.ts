import type { DeployStep, DeployWork, Method, Observation } from "../../../protocol/machine.ts";
import type { Clock } from "../../agent/clock.ts";
import type { Machine } from "../../machine/index.ts";
import type { PolicyMachine } from "../policy/policy.ts";

/**
 * How one outside tool changes a machine. It is called by the engine between Snowcat's own steps on the machine: counter,
 * watchdog, confirmation, health, commit and read-back are never the tool's.
 * @template Tool what the specification says of it: one arm of `ToolWork`.
 */
export interface MethodModule<Tool extends ToolKind = ToolKind> {
  readonly name: Tool["kind"];
  /** `closure`: the approved system comes by Snowcat, and the tool finds it there. `source`: it comes into being on the machine. */
  readonly artefact: "closure" | "source";
  /** One machine at a time on this runner: whoever deploys by it waits for the turn before anything of a machine is touched. */
  readonly alone?: boolean;
  /** Steps that it cannot do, each with why; plans and documents show them. */
  readonly lacks: Readonly<Partial<Record<DeployStep, string>>>;
  /** Looks whether all is there that the tool needs; touches nothing, on the runner or on the machine. */
  check(place: MethodPlace<Tool>): Promise<MethodEnd>;
  /** On the runner: builds what the tool sends, or shows that the tool would deploy the approved system where it can tell. */
  build(place: MethodPlace<Tool>): Promise<MethodEnd>;
  /** The tool itself, once. Its exit code is a hint: what counts is what the engine reads from the machine. */
  activate(place: MethodPlace<Tool>): Promise<ToolEnd>;
  /** The method's own checks after it has run, each string something that is wrong: empty is healthy. */
  verify(place: MethodPlace<Tool>, after: Observation): Promise<readonly string[]>;
  /** What a person should know of a deploy that succeeded. */
  notices?(place: MethodPlace<Tool>): readonly string[];
  /**
   * Brings back the sources of before. `asked`: the tree of the place is the revision to go back to. `sick`: the deploy of
   * that tree is taken back, and the machine runs the earlier system again.
   */
  rollBack?(place: MethodPlace<Tool>, why: "asked" | "sick"): Promise<ToolEnd>;
}

type ToolKind = { readonly kind: Exclude<Method, "plain"> };

/** Before anything of the machine is changed. `missing` ends the deploy as `not-prepared`, `failed` as `failed-untouched`. */
export type MethodEnd =
  | { readonly kind: "done" }
  | { readonly kind: "missing"; readonly missing: readonly [string, ...string[]] }
  | { readonly kind: "failed"; readonly why: string };

/** How a program ended. */
export interface ToolEnd {
  /** Null: it was killed, or never began. */
  readonly exitCode: number | null;
  readonly timedOut: boolean;
  /** The end of what it said on stdout and stderr, in the order it came. */
  readonly log: string;
  /** It put the system there for the next boot and left what runs alone; the string says why. */
  readonly inhibited?: string;
  /** It passed the machine over, whatever its exit code says; the string says why. */
  readonly skipped?: string;
}

export interface ToolRun {
  /** Absolute; the checkout unless given. */
  readonly cwd?: string;
  /** Beside the little that every tool has: PATH, HOME, the store, the way to the machine. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly stdin?: string;
  /** What it says on stdout is the method's alone: files of the operator's, long lists. */
  readonly quiet?: boolean;
}

/** Where a method works: a job's folder and sandbox on the runner, and the machine. */
export interface MethodPlace<Tool extends ToolKind = ToolKind> {
  readonly work: DeployWork;
  readonly tool: Tool;
  /** The approved system; null for source methods. */
  readonly system: string | null;
  /** The checkout of exactly `work.sha` as programs of the place see it, theirs to write. */
  readonly tree: string;
  /** A folder beside it for whatever the method makes. */
  readonly scratch: string;
  /** What the operator's own policy says of the machine: a method's settings are keys of it. */
  readonly policy: PolicyMachine;
  readonly ssh: ToolSsh;
  /** Runs one program there, isolated as any job's. Its output goes to the log, secrets blotted out. No shell. */
  run(
    argv: readonly [string, ...string[]],
    options: ToolRun,
  ): Promise<ToolEnd & { readonly stdout: string }>;
  /** Writes one file, with the folders above it; `path` is absolute and lies in `tree` or `scratch`. @throws where it cannot. */
  write(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
  /** Copies a folder of the runner's own, which only the operator can name, to a path in `tree` or `scratch`. @throws where it cannot. */
  bring(folder: string, to: string): Promise<void>;
  /** Snowcat's own client; never for a step that is the engine's. */
  readonly machine: Pick<Machine, "digest" | "check" | "observe">;
  readonly clock: Clock;
  /** A line of the job's log. */
  readonly say: (line: string) => void;
  /** From here on no log and no outcome shows the value. */
  readonly mask: (secret: string) => void;
  /** A cancel, until the point of no return. */
  readonly signal: AbortSignal;
}

/**
 * The way to the machine for tools. No key is in the place: an agent outside holds this machine's alone. Whatever host a
 * tool names, the wrapper goes to the policy's address, and insists on its host key.
 */
export interface ToolSsh {
  /** A wrapper of `ssh`, in a folder that is first on the tools' PATH. */
  readonly command: string;
  /** The same as a configuration file, for a tool that has an ssh of its own (`-F`). */
  readonly config: string;
  /** The same as words of argv: `-o`, `Name=value`, … */
  readonly options: readonly string[];
  readonly host: string;
  readonly user: string;
  readonly port: number;
}
