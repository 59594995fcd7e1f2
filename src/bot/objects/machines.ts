import type {
  Ask,
  DeployQuestion,
  Drift,
  KeepRow,
  MachineEffect,
  Refusal,
  TicketRow,
  Turn,
} from "../../core/deploy/index.ts";
import type { RepositoryIdentity } from "../../core/repo/request.ts";
import type { RunId } from "../../protocol/identifiers.ts";
import type { DeployStep, MachineOutcome, Observation } from "../../protocol/machine.ts";
import type { Wakeable } from "./contracts.ts";

/** What is said to and of machines; a part of the contracts. */

/** A machine that deploy runners of the account may change for a repository. */
export type KnownMachine = {
  name: string;
  hostKey: string;
  /** Whether a runner that may is here. */
  online: boolean;
};

/** Whom a call to a Machine speaks for: the machine, and the repository that names it. */
export type MachineOf = { host: string; account: number; hostKey: string; repository: number };
/** A machine as pages, `/status` and plans see it. */
export type MachineView = {
  counter: number;
  observation: Observation | null;
  /** Since when (Unix ms) it has not answered, and why. */
  unreachable: { since: number; why: string } | null;
  keeps: KeepRow[];
  /** Deploys that wait, go on, or were lost, in their order. */
  open: TicketRow[];
  /** The last ones that have ended, newest first. */
  history: TicketRow[];
};

export interface MachineContract extends Wakeable {
  /** Asks for a turn to change the machine; the same key is answered by what became of it. See `core/deploy`. */
  ask(of: MachineOf, asked: Ask): Promise<Turn>;
  withdraw(of: MachineOf, key: string): Promise<{ begun: number | null }>;
  heard(of: MachineOf, key: string, counter: number, step: DeployStep): Promise<void>;
  end(of: MachineOf, key: string, counter: number, outcome: MachineOutcome): Promise<void>;
  /** Nobody will say how it ended: the machine is looked at. */
  lose(of: MachineOf, key: string, step: DeployStep | null): Promise<void>;
  /** `since` (Unix ms): when it was asked for. */
  observed(of: MachineOf, observation: Observation, since: number): Promise<void>;
  unreachable(of: MachineOf, why: string): Promise<void>;
  /** Locks or holds it; null when that is so. */
  keep(
    of: MachineOf,
    asked: Pick<KeepRow, "kind" | "owner" | "reason" | "run">,
  ): Promise<Refusal | null>;
  unlock(of: MachineOf, by: string): Promise<Refusal | null>;
  /** A pull request is over: its lock goes, unless a deploy of it is unresolved: false. */
  free(of: MachineOf, pull: number): Promise<boolean>;
  /** A rollout is over: its lock goes with it, and what of it still waits. */
  leave(of: MachineOf, run: RunId): Promise<void>;
  /** Null of a machine that nothing was ever done with. */
  view(of: MachineOf): Promise<MachineView | null>;
}
/** A machine's system at a commit of the default branch. */
export type BuiltSystem = { machine: string; system: string };

/** What a repository has of a machine. Of others' deploys there it learns that they were, and no more. */
export type FleetMachine = KnownMachine & {
  view: MachineView | null;
  drift: Drift[];
  wanted: { system: string; sha: string } | null;
};
export type FleetView = {
  identity: RepositoryIdentity;
  /** Of the default branch; null where it is not known. */
  head: string | null;
  machines: FleetMachine[];
};

/** What a Machine tells a run that asked for a turn. */
export type MachineTurn = Extract<
  MachineEffect,
  { kind: "granted" } | { kind: "refused" } | { kind: "settled" }
>;

/** What a deploy's policy asks of GitHub about a commit; null is what could not be found out. */
export type Standing = Pick<
  DeployQuestion,
  "checks" | "required" | "holdsBase" | "onDefaultBranch"
>;
export type StandingOf = { sha: string; defaultBranch: string; pull: number | null };
