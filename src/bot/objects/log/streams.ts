import { fromBase64, joined } from "../../channel/bytes.ts";
import type { ToLog } from "../../../protocol/data.ts";

export type StreamRow = {
  stream: string;
  size: number;
  sha256: string | null;
  dropped: number;
  archived: number;
};

/** Log streams as rows: chunks of at most 64 KiB by offset until they are archived. */
export class Streams {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Takes a frame; throws when it does not continue its stream, which a sender that keeps order never does. */
  take(body: ToLog): void {
    const row = this.get(body.stream);
    if (row !== null && row.sha256 !== null) throw new Error(`stream ${body.stream} is closed`);
    const size = row?.size ?? 0;
    if (body.kind === "chunk") this.#append(body.stream, size, body.offset, fromBase64(body.data));
    else {
      if (body.size !== size)
        throw new Error(`stream ${body.stream} closes at ${body.size}, it has ${size} bytes`);
      this.#sql.exec(
        "INSERT INTO stream (stream, sha256, dropped) VALUES (?, ?, ?) ON CONFLICT (stream) DO UPDATE SET sha256 = excluded.sha256, dropped = excluded.dropped",
        body.stream,
        body.sha256,
        body.dropped,
      );
    }
  }

  get(stream: string): StreamRow | null {
    return (
      this.#sql.exec<StreamRow>("SELECT * FROM stream WHERE stream = ?", stream).toArray()[0] ??
      null
    );
  }

  all(): StreamRow[] {
    return this.#sql.exec<StreamRow>("SELECT * FROM stream ORDER BY stream").toArray();
  }

  /** Bytes from `offset`, at most `limit`. */
  read(stream: string, offset: number, limit: number): Uint8Array {
    const rows = this.#sql.exec<{ offset: number; data: ArrayBuffer }>(
      `SELECT offset, data FROM chunk WHERE stream = ?1 AND offset < ?3 AND offset >=
         coalesce((SELECT max(offset) FROM chunk WHERE stream = ?1 AND offset <= ?2), 0) ORDER BY offset`,
      stream,
      offset,
      offset + limit,
    );
    const parts: Uint8Array[] = [];
    for (const row of rows) {
      const from = Math.max(0, offset - row.offset);
      const to = Math.min(row.data.byteLength, offset + limit - row.offset);
      if (to > from) parts.push(new Uint8Array(row.data, from, to - from));
    }
    return joined(parts);
  }

  /** All chunks in order, one at a time. */
  *chunks(stream: string): Generator<Uint8Array> {
    for (const row of this.#sql.exec<{ data: ArrayBuffer }>(
      "SELECT data FROM chunk WHERE stream = ? ORDER BY offset",
      stream,
    ))
      yield new Uint8Array(row.data);
  }

  archived(stream: string): void {
    this.#sql.exec("UPDATE stream SET archived = 1 WHERE stream = ?", stream);
    this.#sql.exec("DELETE FROM chunk WHERE stream = ?", stream);
  }

  #append(stream: string, size: number, offset: number, data: Uint8Array): void {
    if (offset !== size)
      throw new Error(`stream ${stream} has ${size} bytes, a chunk came for ${offset}`);
    this.#sql.exec(
      "INSERT INTO chunk (stream, offset, data) VALUES (?, ?, ?)",
      stream,
      offset,
      data,
    );
    this.#sql.exec(
      "INSERT INTO stream (stream, size) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET size = excluded.size",
      stream,
      size + data.byteLength,
    );
  }
}
