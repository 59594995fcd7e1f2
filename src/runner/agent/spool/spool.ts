import { mkdir, open, readdir, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** A segment is closed at this size (bytes) and removed as a whole when all of it is acknowledged. */
const SEGMENT_BYTES = 1_024 * 1_024;

/** One kept frame: its text is stored as it will be sent, apart from `ack`. */
export type Entry = { seq: number; text: string };

type Segment = { first: number; last: number; bytes: number; released: boolean };

/**
 * Outgoing frames of one stream on disk, until they are acknowledged; with `keep` until the whole is thrown away.
 * Survives SIGKILL of the process at any point: a torn last line is dropped, since nothing of it was sent. Files:
 * `<first seq>.frames`, one `<seq> <text>` a line, and `acked`, which lags behind by up to a segment: the other side
 * says anyway what it has.
 */
export class Spool {
  readonly #directory: string;
  #segments: Segment[] = [];
  #file: FileHandle | null = null;
  #next = 1;
  #acked = 0;
  #bytes = 0;
  /** The sync that runs, and the one that will begin after it. */
  #syncing: Promise<void> | null = null;
  #queuedSync: Promise<void> | null = null;
  readonly #keep: boolean;

  private constructor(directory: string, keep: boolean) {
    this.#directory = directory;
    this.#keep = keep;
  }

  static async open(directory: string, { keep = false } = {}): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const spool = new Spool(directory, keep);
    await spool.#load();
    return spool;
  }

  get acked(): number {
    return this.#acked;
  }

  /** Highest sequence number given out. */
  get last(): number {
    return this.#next - 1;
  }

  /** Bytes that wait for acknowledgement, roughly (whole segments). */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes a frame; answers its number. On disk for a crash of this process; `sync` makes it so for the machine's. */
  async append(make: (seq: number) => string): Promise<Entry> {
    const seq = this.#next;
    const text = make(seq);
    const line = Buffer.from(`${seq} ${text}\n`);
    const segment = await this.#segment(seq);
    if (this.#file === null) throw new Error(`spool ${this.#directory} is closed`);
    try {
      await this.#file.write(line);
    } catch (error) {
      // Part of the line may be there: a new segment is begun, and the torn end of this one is not read.
      await this.#closeFile();
      if (segment.last < segment.first) this.#segments.pop();
      throw error;
    }
    segment.last = seq;
    segment.bytes += line.length;
    this.#bytes += line.length;
    this.#next = seq + 1;
    return { seq, text };
  }

  /** Makes durable what was appended before the call; calls that come while one sync runs share the next. */
  async sync(): Promise<void> {
    this.#queuedSync ??= this.#syncAfter(this.#syncing);
    await this.#queuedSync;
  }

  async #syncAfter(before: Promise<void> | null): Promise<void> {
    // Its failure is for those who wait for it.
    await before?.catch(() => undefined);
    this.#syncing = this.#queuedSync;
    this.#queuedSync = null;
    await this.#file?.datasync();
  }

  /** Frames from `seq` on, at most `limit` bytes (one at least), as stored. */
  async read(seq: number, limit: number): Promise<Entry[]> {
    const entries: Entry[] = [];
    let bytes = 0;
    for (const segment of this.#segments) {
      if (segment.last < seq) continue;
      for (const entry of parse(await readFile(this.#path(segment.first)))) {
        if (entry.seq < seq || entry.seq >= this.#next) continue;
        entries.push(entry);
        bytes += entry.text.length;
        if (bytes >= limit) return entries;
      }
    }
    return entries;
  }

  /** Every frame that is on disk, a segment in memory at a time. */
  async *all(): AsyncGenerator<Entry> {
    for (const segment of this.#segments)
      for (const entry of parse(await readFile(this.#path(segment.first))))
        if (entry.seq < this.#next) yield entry;
  }

  /**
   * Everything up to `seq` has been committed by the other side: whole segments are removed. A number above `last` comes
   * of a disk that was set back; the next frame then gets a number that the other side does not know.
   */
  async ack(seq: number): Promise<void> {
    if (seq <= this.#acked) return;
    this.#acked = seq;
    if (seq > this.last) {
      await this.#closeFile();
      this.#next = seq + 1;
    }
    const done = this.#segments.filter(
      (each) =>
        !each.released &&
        each.last <= seq &&
        (each.bytes >= SEGMENT_BYTES || !this.#isCurrent(each)),
    );
    for (const segment of done) {
      segment.released = true;
      this.#bytes -= segment.bytes;
    }
    if (done.length === 0 || this.#keep) return;
    // Durable before anything goes: it says where the next life goes on counting.
    await this.#saveAcked();
    this.#segments = this.#segments.filter((segment) => !done.includes(segment));
    for (const segment of done) {
      if (this.#isCurrent(segment)) await this.#closeFile();
      await rm(this.#path(segment.first), { force: true });
    }
  }

  async close(): Promise<void> {
    await this.#closeFile();
  }

  async #load(): Promise<void> {
    const acked = await readFile(join(this.#directory, "acked"), "utf8").catch(missing);
    this.#acked = acked === null ? 0 : Number(acked);
    const names = (await readdir(this.#directory)).filter((name) => name.endsWith(".frames"));
    for (const first of names.map((name) => Number.parseInt(name, 10)).toSorted((a, b) => a - b)) {
      const data = await readFile(this.#path(first));
      const entries = parse(data);
      const last = entries.at(-1)?.seq;
      if (last === undefined) {
        await rm(this.#path(first));
        continue;
      }
      // A new segment is begun after a restart, so a torn line at the end is never appended to.
      const released = last <= this.#acked;
      this.#segments.push({ first, last, bytes: data.length, released });
      if (!released) this.#bytes += data.length;
    }
    this.#next = Math.max(this.#acked, this.#segments.at(-1)?.last ?? 0) + 1;
  }

  async #segment(seq: number): Promise<Segment> {
    const current = this.#segments.at(-1);
    if (current !== undefined && this.#file !== null && current.bytes < SEGMENT_BYTES)
      return current;
    await this.sync();
    await this.#closeFile();
    const segment = { first: seq, last: seq - 1, bytes: 0, released: false };
    this.#file = await open(this.#path(seq), "w", 0o600);
    this.#segments.push(segment);
    return segment;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  #isCurrent(segment: Segment): boolean {
    return this.#file !== null && segment === this.#segments.at(-1);
  }

  async #saveAcked(): Promise<void> {
    const path = join(this.#directory, "acked");
    const file = await open(`${path}.new`, "w", 0o600);
    try {
      await file.writeFile(String(this.#acked));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }

  #path(first: number): string {
    return join(this.#directory, `${first}.frames`);
  }
}

function parse(data: Buffer): Entry[] {
  const lines = data.toString("utf8").split("\n");
  // What follows the last line break was torn off by a crash.
  lines.pop();
  return lines.map((line) => {
    const space = line.indexOf(" ");
    return { seq: Number(line.slice(0, space)), text: line.slice(space + 1) };
  });
}

function missing(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
