import type * as z from "zod";
import { type Frame, FRAME_BYTES } from "../../protocol/frame.ts";
import { Positions } from "./positions.ts";
import { closeSocket, send } from "./socket.ts";

/** Frames that are committed before an ack goes out at the latest. */
const ACK_EVERY = 32;
/** How long an ack waits for more frames to cover (ms). Short: it holds back hibernation, and the sender's spool. */
const ACK_DELAY = 10;

/** Close codes: the sender connects again after each, except after `policy`, where it must change something. */
export const CLOSE = { policy: 1008, tooBig: 1009, failed: 1011, gap: 4000 } as const;

/** Text of the two frames a channel sends by itself. */
export type Reply = { ack(ack: number): string; stale(ack: number, reason: string): string };

export type ChannelHandler<Body> = {
  /** Looks before anything is committed; `stale` tells the sender and closes. Also called for frames that are not kept. */
  allow?(frame: Frame<Body>): { stale: string } | null;
  /** Synchronous; runs in one transaction with the channel's position, once for each sequence number. */
  commit(frame: Frame<Body>): void;
  /** Frames with sequence 0; without it they are a violation of the protocol. */
  unkept?(frame: Frame<Body>): void;
};

export type Received = "committed" | "repeated" | "unkept" | "stale" | "closed";

/** The receiving end of sequenced streams; one table holds the last committed sequence number of each. */
export class Channel<Body> {
  readonly #storage: DurableObjectStorage;
  readonly #schema: z.ZodType<Frame<Body>>;
  readonly #reply: Reply;
  readonly #positions: Positions;
  readonly #waiting = new Map<
    WebSocket,
    { stream: string; frames: number; timer: ReturnType<typeof setTimeout> }
  >();

  constructor(storage: DurableObjectStorage, schema: z.ZodType<Frame<Body>>, reply: Reply) {
    this.#storage = storage;
    this.#schema = schema;
    this.#reply = reply;
    this.#positions = new Positions(storage.sql);
  }

  /** Tells a sender that has just connected what is committed of its stream. */
  opened(socket: WebSocket, stream: string): void {
    send(socket, this.#reply.ack(this.#positions.get(stream)));
  }

  /** Takes one WebSocket message of a stream. */
  receive(
    socket: WebSocket,
    stream: string,
    message: string | ArrayBuffer,
    handler: ChannelHandler<Body>,
  ): Received {
    const frame = this.#parse(socket, message);
    if (frame === null) return "closed";
    const stale = handler.allow?.(frame) ?? null;
    if (stale !== null) {
      send(socket, this.#reply.stale(this.#positions.get(stream), stale.stale.slice(0, 1_024)));
      return this.#close(socket, CLOSE.policy, "stale", "stale");
    }
    if (frame.seq === 0) {
      if (!handler.unkept)
        return this.#close(
          socket,
          CLOSE.policy,
          "a frame without sequence number is not taken here",
        );
      handler.unkept(frame);
      return "unkept";
    }
    const committed = this.#positions.get(stream);
    if (frame.seq <= committed) {
      this.#ackSoon(socket, stream);
      return "repeated";
    }
    if (frame.seq !== committed + 1)
      return this.#close(socket, CLOSE.gap, `gap: ${committed + 1} is next`);
    this.#commit(socket, stream, frame, handler);
    this.#ackSoon(socket, stream);
    return "committed";
  }

  /** The last committed sequence number; 0 for a stream that is not known. */
  position(stream: string): number {
    return this.#positions.get(stream);
  }

  /** Drops the memory of a stream that will not be heard again. */
  forget(stream: string): void {
    this.#positions.delete(stream);
  }

  #commit(
    socket: WebSocket,
    stream: string,
    frame: Frame<Body>,
    handler: ChannelHandler<Body>,
  ): void {
    try {
      this.#storage.transactionSync(() => {
        handler.commit(frame);
        this.#positions.set(stream, frame.seq);
      });
    } catch (cause) {
      this.#positions.reload(stream);
      closeSocket(socket, CLOSE.failed, "the frame could not be stored");
      throw new Error(`channel ${stream}: frame ${frame.seq} could not be committed`, { cause });
    }
  }

  #parse(socket: WebSocket, message: string | ArrayBuffer): Frame<Body> | null {
    if (typeof message !== "string") return this.#refuse(socket, CLOSE.policy, "frames are text");
    // UTF-16 units are at most the bytes, and at least a third of them.
    if (
      message.length > FRAME_BYTES ||
      (message.length > FRAME_BYTES / 3 && new TextEncoder().encode(message).length > FRAME_BYTES)
    ) {
      return this.#refuse(socket, CLOSE.tooBig, `a frame is at most ${FRAME_BYTES} bytes`);
    }
    let json: unknown;
    try {
      json = JSON.parse(message);
    } catch {
      return this.#refuse(socket, CLOSE.policy, "a frame is JSON");
    }
    const parsed = this.#schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    return this.#refuse(
      socket,
      CLOSE.policy,
      `frame refused at ${issue?.path.join(".") ?? ""}: ${issue?.code ?? ""}`,
    );
  }

  #refuse(socket: WebSocket, code: number, reason: string): null {
    this.#close(socket, code, reason);
    return null;
  }

  #close(socket: WebSocket, code: number, reason: string, outcome: Received = "closed"): Received {
    const waiting = this.#waiting.get(socket);
    if (waiting) this.#flush(socket, waiting.stream);
    closeSocket(socket, code, reason);
    return outcome;
  }

  #ackSoon(socket: WebSocket, stream: string): void {
    const waiting = this.#waiting.get(socket);
    if (waiting === undefined) {
      const timer = setTimeout(() => this.#flush(socket, stream), ACK_DELAY);
      this.#waiting.set(socket, { stream, frames: 1, timer });
      return;
    }
    waiting.frames += 1;
    if (waiting.frames >= ACK_EVERY) this.#flush(socket, stream);
  }

  #flush(socket: WebSocket, stream: string): void {
    const waiting = this.#waiting.get(socket);
    if (waiting) clearTimeout(waiting.timer);
    this.#waiting.delete(socket);
    send(socket, this.#reply.ack(this.#positions.get(stream)));
  }
}
