import type {
  BadRow,
  KeepRow,
  MachineChanges,
  MachineRow,
  TicketRow,
} from "../../../core/deploy/index.ts";
import { initialMachine } from "../../../core/deploy/index.ts";
import type { Observation } from "../../../protocol/machine.ts";

/** Which machine an object is. */
export type MachineIdentity = { host: string; account: number; hostKey: string };

/** Deploys that have ended and are kept, newest first. */
const HISTORY = 200;
/** Systems that are remembered as bad. */
const BAD = 500;

type StoredKeep = {
  kind: string;
  order: number;
  owner: string;
  reason: string | null;
  run: string | null;
  at: number;
};
type StoredTicket = {
  key: string;
  order: number;
  run: string;
  machine: string;
  owner: string;
  purpose: string;
  method: string;
  sha: string;
  system: string | null;
  expected: string | null;
  force: number;
  state: string;
  counter: number | null;
  before: string | null;
  step: string | null;
  asked_at: number;
  changed_at: number;
  outcome: string | null;
};

/** The machine's tables: rows as core has them. */
export class Rows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  identity(): MachineIdentity | null {
    const [row] = this.#sql
      .exec<{ host: string; account: number; host_key: string }>(
        "SELECT host, account, host_key FROM machine",
      )
      .toArray();
    return row === undefined
      ? null
      : { host: row.host, account: row.account, hostKey: row.host_key };
  }

  create({ host, account, hostKey }: MachineIdentity): void {
    const { counter, nextOrder } = initialMachine();
    this.#sql.exec(
      "INSERT INTO machine (one, host, account, host_key, counter, next_order) VALUES (1, ?, ?, ?, ?, ?)",
      host,
      account,
      hostKey,
      counter,
      nextOrder,
    );
  }

  machine(): MachineRow {
    const [row] = this.#sql
      .exec<{
        counter: number;
        next_order: number;
        observation: string | null;
        unreachable: string | null;
      }>("SELECT counter, next_order, observation, unreachable FROM machine")
      .toArray();
    if (row === undefined) throw new Error("the machine is not known here");
    return {
      counter: row.counter,
      nextOrder: row.next_order,
      observation: row.observation === null ? null : (JSON.parse(row.observation) as Observation),
      unreachable:
        row.unreachable === null
          ? null
          : (JSON.parse(row.unreachable) as MachineRow["unreachable"]),
    };
  }

  /** Those that have not ended, and the one of this key. */
  tickets(key: string | null): TicketRow[] {
    return this.#tickets(`state <> 'ended' OR key = ? ORDER BY "order"`, key ?? "");
  }

  /** Newest first. */
  history(limit: number): TicketRow[] {
    return this.#tickets("state = 'ended' ORDER BY changed_at DESC LIMIT ?", limit);
  }

  keeps(): KeepRow[] {
    return this.#sql
      .exec<StoredKeep>('SELECT * FROM keep ORDER BY "order"')
      .toArray()
      .map((row) => ({
        ...row,
        kind: row.kind as KeepRow["kind"],
        owner: JSON.parse(row.owner) as KeepRow["owner"],
      }));
  }

  bad(systems: readonly (string | null)[]): BadRow[] {
    return [...new Set(systems)].flatMap((system) =>
      this.#sql.exec<BadRow>("SELECT * FROM bad WHERE system = ?", system).toArray(),
    );
  }

  save({ machine, tickets, keeps, letGo, bad, redeemed }: MachineChanges): void {
    this.#sql.exec(
      "UPDATE machine SET counter = ?, next_order = ?, observation = ?, unreachable = ?",
      machine.counter,
      machine.nextOrder,
      machine.observation && JSON.stringify(machine.observation),
      machine.unreachable && JSON.stringify(machine.unreachable),
    );
    for (const ticket of tickets) this.#saveTicket(ticket);
    for (const kind of letGo) this.#sql.exec("DELETE FROM keep WHERE kind = ?", kind);
    for (const { kind, order, owner, reason, run, at } of keeps)
      this.#sql.exec(
        'INSERT OR REPLACE INTO keep (kind, "order", owner, reason, run, at) VALUES (?, ?, ?, ?, ?, ?)',
        kind,
        order,
        JSON.stringify(owner),
        reason,
        run,
        at,
      );
    for (const system of redeemed) this.#sql.exec("DELETE FROM bad WHERE system = ?", system);
    for (const { system, sha, why, at } of bad)
      this.#sql.exec(
        "INSERT OR REPLACE INTO bad (system, sha, why, at) VALUES (?, ?, ?, ?)",
        system,
        sha,
        why,
        at,
      );
  }

  /** Of the past, what nobody asks for any more. */
  prune(): void {
    this.#sql.exec(
      "DELETE FROM ticket WHERE state = 'ended' AND changed_at < (SELECT changed_at FROM ticket WHERE state = 'ended' ORDER BY changed_at DESC LIMIT 1 OFFSET ?)",
      HISTORY,
    );
    this.#sql.exec(
      "DELETE FROM bad WHERE at < (SELECT at FROM bad ORDER BY at DESC LIMIT 1 OFFSET ?)",
      BAD,
    );
  }

  #saveTicket(ticket: TicketRow): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO ticket (key, "order", run, machine, owner, purpose, method, sha, system, expected, force, state, counter, before, step,
        asked_at, changed_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ticket.key,
      ticket.order,
      ticket.run,
      ticket.machine,
      JSON.stringify(ticket.owner),
      ticket.purpose,
      ticket.method,
      ticket.sha,
      ticket.system,
      ticket.expected,
      ticket.force ? 1 : 0,
      ticket.state,
      ticket.counter,
      ticket.before,
      ticket.step,
      ticket.askedAt,
      ticket.changedAt,
      ticket.outcome && JSON.stringify(ticket.outcome),
    );
  }

  #tickets(where: string, ...values: SqlStorageValue[]): TicketRow[] {
    return this.#sql
      .exec<StoredTicket>(`SELECT * FROM ticket WHERE ${where}`, ...values)
      .toArray()
      .map(ticketOf);
  }
}

/** Written by `save` from the same types. */
function ticketOf(row: StoredTicket): TicketRow {
  const { asked_at: askedAt, changed_at: changedAt, ...rest } = row;
  return {
    ...rest,
    askedAt,
    changedAt,
    owner: JSON.parse(row.owner) as TicketRow["owner"],
    purpose: row.purpose as TicketRow["purpose"],
    method: row.method as TicketRow["method"],
    force: row.force === 1,
    state: row.state as TicketRow["state"],
    step: row.step as TicketRow["step"],
    outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as TicketRow["outcome"]),
  };
}
