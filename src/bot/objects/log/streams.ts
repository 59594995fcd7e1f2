import { createHash } from "node:crypto";
import { fromBase64, joined } from "../../channel/bytes.ts";
import type { LogPart } from "../../../protocol/data.ts";

export type StreamRow = {
  stream: string;
  size: number;
  /** Null while it is open. */
  sha256: string | null;
  dropped: number;
  /** The archived pack that holds it, and where; null while its bytes are rows here. */
  pack: number | null;
  pack_offset: number;
  /** Its bytes are not those that were hashed: kept here, never archived. */
  damaged: number;
};

/** What a stream costs although nothing is in it: about its rows, here and in the archive's list. */
const STREAM_BYTES = 256;

/** Log streams as rows: chunks of at most 64 KiB by offset until they are archived. */
export class Streams {
  readonly #sql: SqlStorage;
  /** Of all streams; null until somebody asks. */
  #bytes: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Takes a frame's parts; throws when one does not continue its stream, which a sender that keeps order never does. */
  take(parts: readonly LogPart[]): void {
    // Counted anew where something fails half-way.
    const before = this.#bytes;
    this.#bytes = null;
    let more = 0;
    const touched = new Map<string, Pick<StreamRow, "size" | "sha256" | "dropped">>();
    for (const part of parts) {
      const { stream } = part;
      const known = touched.get(stream) ?? this.get(stream);
      const row = known ?? { size: 0, sha256: null, dropped: 0 };
      if (row.sha256 !== null) throw new Error(`stream ${stream} is closed`);
      const next = part.kind === "chunk" ? this.#append(row, part) : closed(row, part);
      more += next.size - row.size + (known === null ? STREAM_BYTES : 0);
      touched.set(stream, next);
    }
    for (const [stream, { size, sha256, dropped }] of touched)
      this.#sql.exec(
        "INSERT INTO stream (stream, size, sha256, dropped) VALUES (?, ?, ?, ?) ON CONFLICT (stream) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256, dropped = excluded.dropped",
        stream,
        size,
        sha256,
        dropped,
      );
    if (before !== null) this.#bytes = before + more;
  }

  /** What was taken of all streams, archived or not; each counts for its row as well. */
  get bytes(): number {
    this.#bytes ??= this.#sql
      .exec<{ bytes: number }>(
        "SELECT coalesce(sum(size), 0) + ? * count(*) AS bytes FROM stream",
        STREAM_BYTES,
      )
      .one().bytes;
    return this.#bytes;
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

  /** What is not archived, and could be: how many streams, how many of them open, bytes of the closed ones. */
  waiting(): { streams: number; open: number; closedBytes: number } {
    return this.#sql
      .exec<{ streams: number; open: number; closedBytes: number }>(
        "SELECT count(*) AS streams, coalesce(sum(sha256 IS NULL), 0) AS open, coalesce(sum(iif(sha256 IS NULL, 0, size)), 0) AS closedBytes FROM stream WHERE pack IS NULL AND damaged = 0",
      )
      .one();
  }

  /** Closed streams that wait for the archive, in order, until they have `bytes` together (one at least). */
  nextPack(bytes: number, most: number): StreamRow[] {
    const rows: StreamRow[] = [];
    let total = 0;
    for (const row of this.#sql.exec<StreamRow>(
      "SELECT * FROM stream WHERE pack IS NULL AND damaged = 0 AND sha256 IS NOT NULL ORDER BY stream LIMIT ?",
      most,
    )) {
      rows.push(row);
      total += row.size;
      if (total >= bytes) break;
    }
    return rows;
  }

  lastPack(): number {
    return this.#sql
      .exec<{ pack: number }>("SELECT coalesce(max(pack), 0) AS pack FROM stream")
      .one().pack;
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

  archived(stream: string, pack: number, offset: number): void {
    this.#sql.exec(
      "UPDATE stream SET pack = ?, pack_offset = ? WHERE stream = ?",
      pack,
      offset,
      stream,
    );
    this.#sql.exec("DELETE FROM chunk WHERE stream = ?", stream);
  }

  damaged(stream: string): void {
    this.#sql.exec("UPDATE stream SET damaged = 1 WHERE stream = ?", stream);
  }

  /** Ends open streams, at most `most`, with what is there: nobody will. */
  closeOpen(most: number): void {
    const open = this.#sql
      .exec<{ stream: string }>("SELECT stream FROM stream WHERE sha256 IS NULL LIMIT ?", most)
      .toArray();
    for (const { stream } of open) {
      const hash = createHash("sha256");
      for (const chunk of this.chunks(stream)) hash.update(chunk);
      this.#sql.exec("UPDATE stream SET sha256 = ? WHERE stream = ?", hash.digest("hex"), stream);
    }
  }

  #append<Row extends { size: number }>(
    row: Row,
    { stream, offset, data }: Extract<LogPart, { kind: "chunk" }>,
  ): Row {
    const bytes = fromBase64(data);
    if (offset !== row.size)
      throw new Error(`stream ${stream} has ${row.size} bytes, a chunk came for ${offset}`);
    if (bytes.byteLength > 0)
      this.#sql.exec(
        "INSERT INTO chunk (stream, offset, data) VALUES (?, ?, ?)",
        stream,
        offset,
        bytes,
      );
    return { ...row, size: row.size + bytes.byteLength };
  }
}

function closed<Row extends { size: number }>(
  row: Row,
  part: Extract<LogPart, { kind: "close" }>,
): Row & { sha256: string; dropped: number } {
  if (part.size !== row.size)
    throw new Error(`stream ${part.stream} closes at ${part.size}, it has ${row.size} bytes`);
  return { ...row, sha256: part.sha256, dropped: part.dropped };
}
