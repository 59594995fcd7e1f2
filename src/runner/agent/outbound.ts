import type * as z from "zod";
import { type Frame, FRAME_BYTES } from "../../protocol/frame.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Spool } from "./spool/spool.ts";

/** Bytes sent ahead of their acknowledgement. */
const WINDOW_BYTES = 2 * 1_024 * 1_024;
/** A spool with more bytes than this makes its writers wait. */
const SPOOL_BYTES = 32 * 1_024 * 1_024;

/** Characters of frames kept in memory beside the disk; above it they are read back. */
const RECENT = 2 * WINDOW_BYTES;

type Wire = { readonly isOpen: boolean; send(text: string): void };

/**
 * The sending end of a sequenced stream: every frame is redacted, checked against the protocol and on disk before it
 * is sent, and sent again after each reconnection until it is acknowledged. This is the one way to the wire for kept
 * frames.
 */
export class Outbound<Body> {
  readonly #spool: Spool;
  readonly #schema: z.ZodType<Frame<Body>>;
  readonly #redact: (body: Body) => Body;
  #wire: Wire | null = null;
  /** Highest sequence number sent on this connection; 0 before the other side has said what it has. */
  #sent = 0;
  #greeted = false;
  #ready = 0;
  /** Frames not acknowledged that are also in memory; the spool has all of them. */
  readonly #recent = new Map<number, string>();
  #recentSize = 0;
  #inFlight = 0;
  #chain: Promise<unknown> = Promise.resolve();
  #pumping = false;
  #again = false;
  #dropped = false;
  #waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(spool: Spool, schema: z.ZodType<Frame<Body>>, redact: (body: Body) => Body) {
    this.#spool = spool;
    this.#schema = schema;
    this.#redact = redact;
    this.#ready = spool.last;
  }

  attach(wire: Wire): void {
    this.#wire = wire;
  }

  /** A new connection: nothing goes out until `acked` has told where to begin. */
  connected(): void {
    this.#greeted = false;
  }

  /**
   * Puts a frame on disk and on its way; resolves with its sequence number when it is durable here. Calls that come
   * together share one sync.
   *
   * @throws when the body, redacted, does not fit the protocol: nothing of it is sent.
   */
  async append(body: Body, about: { job: string | null; attempt: number | null }): Promise<number> {
    const redacted = this.#redact(body);
    const seq = await this.#serial(async () => {
      if (this.#dropped) return this.#spool.last;
      const entry = await this.#spool.append((number) => this.#text(number, redacted, about));
      if (this.#recentSize < RECENT) this.#remember(entry.seq, entry.text);
      return entry.seq;
    });
    if (this.#dropped) return seq;
    await this.#spool.sync();
    this.#ready = Math.max(this.#ready, seq);
    this.#pump();
    await this.#until(() => this.#spool.bytes < SPOOL_BYTES);
    return seq;
  }

  /** The other side has committed everything up to `seq`. */
  async acked(seq: number): Promise<void> {
    if (this.#dropped) return;
    if (!this.#greeted) {
      this.#greeted = true;
      this.#sent = seq;
    }
    await this.#serial(async () => {
      // Closed meanwhile: its folder may be gone, and what is not noted is only sent once more.
      if (!this.#dropped) await this.#spool.ack(seq);
    });
    this.#count();
    this.#wake();
    this.#pump();
  }

  /** Resolves when everything appended so far is acknowledged (true), or given up (false). */
  async drained(): Promise<boolean> {
    await this.#chain;
    const last = this.#spool.last;
    await this.#until(() => this.#spool.acked >= last);
    return this.#spool.acked >= last;
  }

  /** The other side takes nothing of it any more: nobody waits for it. */
  drop(): void {
    this.#dropped = true;
    this.#wake();
  }

  async close(): Promise<void> {
    this.drop();
    await this.#serial(() => this.#spool.close());
  }

  #text(seq: number, body: Body, about: { job: string | null; attempt: number | null }): string {
    const frame: Frame<Body> = {
      v: PROTOCOL_VERSION,
      seq,
      ack: 0,
      job: about.job,
      attempt: about.attempt,
      sig: null,
      body,
    };
    const parsed = this.#schema.safeParse(frame);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new Error(
        `a frame does not fit the protocol at ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
      );
    }
    const text = JSON.stringify(parsed.data);
    if (Buffer.byteLength(text) > FRAME_BYTES)
      throw new Error(
        `a frame has ${Buffer.byteLength(text)} bytes, at most ${FRAME_BYTES} may be sent`,
      );
    return text;
  }

  #pump(): void {
    this.#again = true;
    if (this.#pumping) return;
    this.#pumping = true;
    void this.#run()
      .catch((error: unknown) => {
        // The spool cannot be read: nothing can be sent any more, and the writers must not wait for ever.
        process.stderr.write(
          `snowcat: ${error instanceof Error ? error.message : String(error)}\n`,
        );
        this.drop();
      })
      .finally(() => {
        this.#pumping = false;
        if (this.#again) this.#pump();
      });
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      while (
        this.#greeted &&
        !this.#dropped &&
        this.#wire?.isOpen === true &&
        this.#inFlight < WINDOW_BYTES
      ) {
        const seq = Math.max(this.#sent, this.#spool.acked) + 1;
        if (seq > this.#ready) break;
        const text = this.#recent.get(seq);
        if (text === undefined) {
          // After a restart or a long absence; whatever changed meanwhile is looked at anew.
          for (const entry of await this.#serial(() => this.#spool.read(seq, WINDOW_BYTES)))
            this.#remember(entry.seq, entry.text);
          if (!this.#recent.has(seq) && seq > this.#spool.acked)
            throw new Error(`frame ${seq} is not in the spool`);
          continue;
        }
        this.#wire.send(text);
        this.#sent = seq;
        this.#inFlight += text.length;
      }
    }
  }

  #remember(seq: number, text: string): void {
    if (this.#recent.has(seq)) return;
    this.#recent.set(seq, text);
    this.#recentSize += text.length;
  }

  /** Forgets what is acknowledged, and counts again what is on its way. */
  #count(): void {
    this.#inFlight = 0;
    for (const [seq, text] of this.#recent) {
      if (seq <= this.#spool.acked) {
        this.#recent.delete(seq);
        this.#recentSize -= text.length;
      } else if (seq <= this.#sent) this.#inFlight += text.length;
    }
  }

  async #serial<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#chain.then(work);
    this.#chain = run.catch(() => undefined);
    return await run;
  }

  async #until(done: () => boolean): Promise<void> {
    if (done() || this.#dropped) return;
    await new Promise<void>((resolve) => this.#waiters.push({ done, resolve }));
  }

  #wake(): void {
    const [ready, waiting] = [
      this.#waiters.filter((each) => this.#dropped || each.done()),
      this.#waiters.filter((each) => !this.#dropped && !each.done()),
    ];
    this.#waiters = waiting;
    for (const { resolve } of ready) resolve();
  }
}
