import type {
  Ask,
  MachineChanges,
  MachineEffect,
  MachineRow,
  MachineSlice,
  TicketRow,
} from "../../../src/core/deploy/index.ts";
import { initialMachine } from "../../../src/core/deploy/index.ts";
import type { KeepRow, BadRow } from "../../../src/core/deploy/index.ts";
import type { RunId } from "../../../src/protocol/identifiers.ts";
import type { MachineOutcome, Observation } from "../../../src/protocol/machine.ts";

export const system = (name: string) => `/nix/store/${"0".repeat(32)}-${name}`;
export const OLD = system("old");
export const NEW = system("new");

export const observation = (fields: Partial<Observation> = {}): Observation => ({
  at: 0,
  system: OLD,
  booted: OLD,
  profile: { number: 1, system: OLD, at: 0 },
  generations: [],
  failedUnits: [],
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter: 0,
  unfinished: null,
  updaters: [],
  bootId: "boot",
  ...fields,
});

export const active = (name = NEW): MachineOutcome => ({
  kind: "active",
  system: name,
  generation: 2,
  notices: [],
  running: name,
});
export const rolledBack: MachineOutcome = {
  kind: "rolled-back",
  step: "health",
  why: "it does not answer",
  failedUnits: [],
  running: OLD,
};

export const asked = (key: string, fields: Partial<Ask> = {}): Ask => ({
  key,
  run: `run-${key}` as RunId,
  machine: "web1",
  owner: { repository: 1, pull: 7, by: "ada" },
  purpose: "deploy",
  method: "plain",
  sha: "a".repeat(40),
  system: NEW,
  expected: null,
  force: false,
  ...fields,
});

/** The rows of one machine, as its object keeps them. */
export class Keeper {
  machine: MachineRow = initialMachine();
  readonly tickets = new Map<string, TicketRow>();
  readonly keeps = new Map<KeepRow["kind"], KeepRow>();
  readonly bad = new Map<string, BadRow>();
  readonly effects: MachineEffect[] = [];

  /** As the object loads it: what is open, and what is asked about. */
  slice(key: string | null = null): MachineSlice {
    return {
      machine: this.machine,
      tickets: [...this.tickets.values()].filter(
        (ticket) => ticket.state !== "ended" || ticket.key === key,
      ),
      keeps: [...this.keeps.values()],
      bad: [...this.bad.values()],
    };
  }

  write<T extends { changes: MachineChanges; effects: MachineEffect[] }>(step: T): T {
    const { machine, tickets, keeps, letGo, bad, redeemed } = step.changes;
    this.machine = machine;
    for (const ticket of tickets) this.tickets.set(ticket.key, structuredClone(ticket));
    for (const kind of letGo) this.keeps.delete(kind);
    for (const keep of keeps) this.keeps.set(keep.kind, keep);
    for (const system of redeemed) this.bad.delete(system);
    for (const one of bad) this.bad.set(one.system, one);
    this.effects.push(...step.effects);
    return step;
  }

  in(state: TicketRow["state"]): TicketRow[] {
    return [...this.tickets.values()].filter((ticket) => ticket.state === state);
  }
}
