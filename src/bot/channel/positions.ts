/** Last committed sequence number of each stream: SQL is the truth, memory spares the read. */
export class Positions {
  readonly #sql: SqlStorage;
  readonly #known = new Map<string, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS channel_position (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    );
  }

  get(stream: string): number {
    const known = this.#known.get(stream);
    if (known !== undefined) return known;
    const [row] = this.#sql
      .exec<{ seq: number }>("SELECT seq FROM channel_position WHERE stream = ?", stream)
      .toArray();
    const seq = row?.seq ?? 0;
    this.#known.set(stream, seq);
    return seq;
  }

  /** Inside the caller's transaction; `reload` when that is rolled back. */
  set(stream: string, seq: number): void {
    this.#sql.exec(
      "INSERT INTO channel_position (stream, seq) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq",
      stream,
      seq,
    );
    this.#known.set(stream, seq);
  }

  reload(stream: string): void {
    this.#known.delete(stream);
  }

  delete(stream: string): void {
    this.#sql.exec("DELETE FROM channel_position WHERE stream = ?", stream);
    this.#known.delete(stream);
  }
}
