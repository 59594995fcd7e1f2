import { createHash } from "node:crypto";
import { appendFile, writeFile } from "node:fs/promises";
import { LOG_CHUNK_BYTES, LogStream as StreamName, type ToLog } from "../../protocol/data.ts";
import type { Clock } from "../agent/clock.ts";
import type { LogWriter } from "../agent/sink.ts";
import type { ByteRedactor } from "../redaction/index.ts";
import { Cap } from "./cap.ts";

/** Longest that a byte waits for more (ms). */
const FLUSH_AFTER = 100;

export type LogStreamOptions = {
  name: string;
  /** A copy of what was sent: after a crash the stream's hash is computed from it. */
  copy: string;
  /** Made when the stream's end is on disk. */
  closedMark: string;
  redactor: ByteRedactor;
  clock: Clock;
  /** Puts a frame into the spool; `before` runs between disk and wire. */
  append: (body: ToLog, before?: () => Promise<void>) => Promise<unknown>;
  cap?: Cap;
};

/** One log stream on its way out: redacted, capped, cut into chunks. */
export class OutgoingLog implements LogWriter {
  readonly #options: LogStreamOptions;
  readonly #cap: Cap;
  readonly #hash = createHash("sha256");
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #offset = 0;
  #cancelTimer: (() => void) | null = null;
  #chain: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: LogStreamOptions) {
    this.#options = { ...options, name: StreamName.parse(options.name) };
    this.#cap = options.cap ?? new Cap();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#closed) throw new Error(`log ${this.#options.name} is closed`);
    this.#take(this.#options.redactor.push(bytes));
    if (this.#pendingBytes >= LOG_CHUNK_BYTES) return await this.#flush();
    this.#cancelTimer ??= this.#options.clock.after(FLUSH_AFTER, () => {
      this.#cancelTimer = null;
      // A failure shows at the next write or at the close.
      this.#flush().catch(() => undefined);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return await this.#chain;
    this.#closed = true;
    this.#take(this.#options.redactor.end());
    const { bytes, dropped } = this.#cap.end();
    this.#queue(bytes);
    await this.#flush();
    const { name, append, closedMark } = this.#options;
    const body: ToLog = {
      kind: "close",
      stream: name,
      size: this.#offset,
      sha256: this.#hash.digest("hex"),
      dropped,
    };
    await append(body, () => writeFile(closedMark, "", { mode: 0o600 }));
  }

  #take(bytes: Uint8Array): void {
    this.#queue(this.#cap.push(bytes));
  }

  #queue(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  async #flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const run = this.#chain.then(() => this.#send());
    this.#chain = run;
    await run;
  }

  async #send(): Promise<void> {
    const all = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    const { name, append, copy } = this.#options;
    for (let at = 0; at < all.length; at += LOG_CHUNK_BYTES) {
      const part = all.subarray(at, at + LOG_CHUNK_BYTES);
      this.#hash.update(part);
      const offset = this.#offset;
      this.#offset += part.length;
      await append({ kind: "chunk", stream: name, offset, data: part.toString("base64") }, () =>
        appendFile(copy, part, { mode: 0o600 }),
      );
    }
  }
}
