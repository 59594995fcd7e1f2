import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

type Value = ArrayBuffer | string | number | null;
type Row = Record<string, Value>;

/** Answers of a statement, as the platform's cursor gives them. */
class Cursor {
  readonly #rows: Row[];
  #at = 0;
  readonly rowsRead: number;
  readonly rowsWritten = 0;

  constructor(rows: Row[]) {
    this.#rows = rows;
    this.rowsRead = rows.length;
  }

  toArray(): Row[] {
    const rest = this.#rows.slice(this.#at);
    this.#at = this.#rows.length;
    return rest;
  }

  one(): Row {
    const [row] = this.#rows;
    if (row === undefined || this.#rows.length !== 1)
      throw new Error(`expected one row, there are ${this.#rows.length}`);
    return row;
  }

  next(): IteratorResult<Row, undefined> {
    const value = this.#rows[this.#at];
    this.#at += 1;
    return value === undefined ? { done: true, value: undefined } : { done: false, value };
  }

  *[Symbol.iterator](): Iterator<Row> {
    yield* this.toArray();
  }
}

/** An SQLite database with the statements it was asked before. */
export class Database {
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();

  exec(query: string, values: readonly unknown[]): Row[] {
    if (values.length === 0 && query.includes(";")) {
      this.#db.exec(query);
      return [];
    }
    let statement = this.#statements.get(query);
    if (statement === undefined) {
      statement = this.#db.prepare(query);
      this.#statements.set(query, statement);
    }
    // Numbered parameters have names for Node: it binds only nameless ones by their place.
    const rows = /\?\d/u.test(query)
      ? statement.all(numbered(query, values))
      : statement.all(...values.map(bound));
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, out(v)])));
  }

  run(command: string): void {
    this.#db.exec(command);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }
}

function numbered(query: string, values: readonly unknown[]): Record<string, SQLInputValue> {
  const names = new Set(query.match(/\?\d+/gu));
  return Object.fromEntries(
    [...names].map((name) => [name, bound(values[Number(name.slice(1)) - 1])]),
  );
}

function bound(value: unknown): SQLInputValue {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`the platform binds no ${value === undefined ? "undefined" : typeof value}`);
}

function out(value: unknown): Value {
  if (value instanceof Uint8Array) return new Uint8Array(value).buffer;
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  throw new TypeError(`SQLite gave a ${typeof value}`);
}

/** What the storage asks of the object around it. */
export type Keeper = {
  /** Something was written: it is to be committed soon. */
  written(): void;
  /** The alarm that is committed from now on; null is none. */
  armed(at: number | null): void;
};

/**
 * An object's storage. As on the platform, what was written since the last commit is lost together with the object,
 * and nothing that the object says leaves it before the commit (`Actor` holds it back).
 */
export class Storage {
  readonly #database = new Database();
  readonly #keeper: Keeper;
  #open = false;
  #depth = 0;
  #alarm: number | null = null;
  #committed: number | null = null;
  readonly sql: { exec: (query: string, ...values: unknown[]) => Cursor };

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
    this.sql = {
      exec: (query, ...values) => {
        if (!/^\s*SELECT\b/iu.test(query)) this.#write();
        return new Cursor(this.#database.exec(query, values));
      },
    };
  }

  get dirty(): boolean {
    return this.#open;
  }

  transactionSync<T>(work: () => T): T {
    this.#write();
    const name = `level${this.#depth}`;
    this.#depth += 1;
    this.#database.run(`SAVEPOINT ${name}`);
    try {
      const result = work();
      this.#database.run(`RELEASE ${name}`);
      return result;
    } catch (error) {
      this.#database.run(`ROLLBACK TO ${name}; RELEASE ${name}`);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  async getAlarm(): Promise<number | null> {
    return this.#alarm;
  }

  async setAlarm(at: number | Date): Promise<void> {
    this.#write();
    this.#alarm = Number(at);
  }

  async deleteAlarm(): Promise<void> {
    this.#write();
    this.#alarm = null;
  }

  /** The alarm rings: from here on none is set, whatever becomes of its handler. */
  rang(): void {
    this.#alarm = null;
    this.#committed = null;
  }

  commit(): void {
    if (!this.#open) return;
    this.#database.run("COMMIT");
    this.#open = false;
    this.#committed = this.#alarm;
    this.#keeper.armed(this.#committed);
  }

  rollback(): void {
    if (this.#open) this.#database.run("ROLLBACK");
    this.#open = false;
    this.#depth = 0;
    this.#alarm = this.#committed;
  }

  /** For whoever looks from outside: what is committed and what is not yet. */
  look(query: string): Row[] {
    return this.#database.exec(query, []);
  }

  close(): void {
    this.#database.close();
  }

  #write(): void {
    if (this.#open) return;
    this.#database.run("BEGIN");
    this.#open = true;
    this.#keeper.written();
  }
}
