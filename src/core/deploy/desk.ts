import type {
  BadRow,
  KeepRow,
  MachineChanges,
  MachineEffect,
  MachineSlice,
  Refusal,
  TicketRow,
} from "./rows.ts";

/** A machine's rows being changed: rows are copied when they are first touched. */
export class Desk {
  readonly machine: MachineChanges["machine"];
  readonly effects: MachineEffect[] = [];
  readonly #tickets: Map<string, TicketRow>;
  readonly #keeps: Map<KeepRow["kind"], KeepRow>;
  readonly #bad: Map<string, BadRow>;
  readonly #touched = {
    tickets: new Set<string>(),
    keeps: new Set<KeepRow["kind"]>(),
    letGo: new Set<KeepRow["kind"]>(),
    bad: new Set<string>(),
    redeemed: new Set<string>(),
  };

  constructor(slice: MachineSlice) {
    this.machine = { ...slice.machine };
    this.#tickets = new Map(slice.tickets.map((ticket) => [ticket.key, { ...ticket }]));
    this.#keeps = new Map(slice.keeps.map((keep) => [keep.kind, keep]));
    this.#bad = new Map(slice.bad.map((bad) => [bad.system, bad]));
  }

  ticket(key: string): TicketRow | null {
    return this.#tickets.get(key) ?? null;
  }

  /** Tickets in this state, those that came first in front. */
  in(state: TicketRow["state"]): TicketRow[] {
    return [...this.#tickets.values()]
      .filter((ticket) => ticket.state === state)
      .toSorted((a, b) => a.order - b.order);
  }

  /** Whoever has the machine, or was lost with it. */
  holder(): TicketRow | null {
    return this.in("begun")[0] ?? this.in("lost")[0] ?? null;
  }

  order(): number {
    const { nextOrder } = this.machine;
    this.machine.nextOrder += 1;
    return nextOrder;
  }

  put(ticket: TicketRow): void {
    this.#tickets.set(ticket.key, ticket);
    this.#touched.tickets.add(ticket.key);
  }

  change(ticket: TicketRow, fields: Partial<TicketRow>): void {
    this.put(Object.assign(ticket, fields));
  }

  keep(kind: KeepRow["kind"]): KeepRow | null {
    return this.#keeps.get(kind) ?? null;
  }

  keeps(): KeepRow[] {
    return [...this.#keeps.values()];
  }

  putKeep(keep: KeepRow): void {
    this.#keeps.set(keep.kind, keep);
    this.#touched.keeps.add(keep.kind);
    this.#touched.letGo.delete(keep.kind);
  }

  letGo(kind: KeepRow["kind"]): void {
    if (!this.#keeps.delete(kind)) return;
    this.#touched.keeps.delete(kind);
    this.#touched.letGo.add(kind);
  }

  bad(system: string | null): BadRow | null {
    return system === null ? null : (this.#bad.get(system) ?? null);
  }

  condemn(bad: BadRow): void {
    this.#bad.set(bad.system, bad);
    this.#touched.bad.add(bad.system);
    this.#touched.redeemed.delete(bad.system);
  }

  redeem(system: string): void {
    if (!this.#bad.delete(system)) return;
    this.#touched.bad.delete(system);
    this.#touched.redeemed.add(system);
  }

  refuse({ key, run, machine }: TicketRow, refusal: Refusal): void {
    this.effects.push({ kind: "refused", key, run, machine, refusal });
  }

  changes(): MachineChanges {
    const { tickets, keeps, letGo, bad, redeemed } = this.#touched;
    return {
      machine: this.machine,
      tickets: [...tickets].flatMap((key) => this.#tickets.get(key) ?? []),
      keeps: [...keeps].flatMap((kind) => this.#keeps.get(kind) ?? []),
      letGo: [...letGo],
      bad: [...bad].flatMap((system) => this.#bad.get(system) ?? []),
      redeemed: [...redeemed],
    };
  }
}
