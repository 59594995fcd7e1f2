import { createHash } from "node:crypto";
import { LOG_CHUNK_BYTES, LogStream as StreamName } from "../../protocol/data.ts";
import type { LogWriter } from "../agent/sink.ts";
import type { ByteRedactor } from "../redaction/index.ts";
import type { LogBudget } from "./budget.ts";
import { Cap } from "./cap.ts";
import type { LogParts } from "./parts.ts";

export type LogStreamOptions = {
  name: string;
  redactor: ByteRedactor;
  parts: LogParts;
  /** The attempt's. */
  budget: LogBudget;
};

/** One log stream on its way out: redacted, capped, cut into chunks. */
export class OutgoingLog implements LogWriter {
  readonly #name: string;
  readonly #redactor: ByteRedactor;
  readonly #parts: LogParts;
  readonly #cap: Cap;
  readonly #hash = createHash("sha256");
  readonly #onTime = () => void this.#flush();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #offset = 0;
  #failure: { readonly cause: unknown } | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: LogStreamOptions) {
    this.#name = StreamName.parse(options.name);
    this.#redactor = options.redactor;
    this.#parts = options.parts;
    this.#cap = new Cap(options.budget);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#closing !== null) throw new Error(`log ${this.#name} is closed`);
    const kept = this.#cap.push(this.#redactor.push(bytes));
    this.#queue(kept);
    if (this.#pendingBytes >= LOG_CHUNK_BYTES) await this.#flush();
    else this.#parts.later(this.#onTime);
    this.#throwIfFailed();
    // What lies above the cap takes no room, and whoever writes it must not pile it up in front of us.
    if (kept.length > 0) await this.#parts.room();
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#queue(this.#cap.push(this.#redactor.end()));
    const { bytes, dropped } = this.#cap.end();
    this.#queue(bytes);
    const flushed = this.#flush();
    const sha256 = this.#hash.digest("hex");
    // In the same turn as the last bytes, so that both go with one frame.
    const closed = this.#parts.push({
      kind: "close",
      stream: this.#name,
      size: this.#offset,
      sha256,
      dropped,
    });
    await Promise.all([flushed, closed]);
    this.#throwIfFailed();
  }

  #queue(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  /** Never rejects: a failure shows at the next write, or at the close. */
  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const all = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#hash.update(all);
    const pushed: Promise<void>[] = [];
    for (let at = 0; at < all.length; at += LOG_CHUNK_BYTES) {
      const data = all.subarray(at, at + LOG_CHUNK_BYTES);
      pushed.push(
        this.#parts.push({
          kind: "chunk",
          stream: this.#name,
          offset: this.#offset + at,
          data: data.toString("base64"),
        }),
      );
    }
    this.#offset += all.length;
    try {
      await Promise.all(pushed);
    } catch (cause) {
      this.#failure ??= { cause };
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== null)
      throw new Error(`log ${this.#name} could not be kept`, { cause: this.#failure.cause });
  }
}
