import { WebSocket } from "ws";
import { PING, PONG } from "../../protocol/control.ts";
import { FRAME_BYTES } from "../../protocol/frame.ts";
import type { Clock } from "./clock.ts";

/** Waits between attempts to connect (ms): doubling, with full jitter above the first. */
const BACKOFF = { first: 250, most: 30_000 } as const;
/** A ping this often (ms); a connection silent for `PING_EVERY + PONG_WITHIN` is cut. */
const PING_EVERY = 20_000;
const PONG_WITHIN = 15_000;
const CONNECT_WITHIN = 15_000;

export type LinkEvents = {
  /** A connection stands. */
  open(): void;
  message(text: string): void;
  /** It is gone; another attempt follows by itself. */
  closed(why: string): void;
  /** The server answered the upgrade with an HTTP status: 401 and 403 will not change by themselves. */
  refused(status: number): void;
};

export type LinkOptions = {
  url: string;
  headers: () => Record<string, string>;
  clock: Clock;
  events: LinkEvents;
};

/** A WebSocket that comes back: it connects outward, again and again with jittered pauses, until it is stopped. */
export class Link {
  readonly #options: LinkOptions;
  #socket: WebSocket | null = null;
  #failures = 0;
  #stopped = false;
  #cancelTimer: () => void = () => {};

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes that the socket has not yet given to the network. */
  get buffered(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Sends if connected; what matters is sent again from the spool. */
  send(text: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /** Cuts the connection; a new one is made. */
  cut(why: string): void {
    this.#gone(this.#socket, why);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.removeAllListeners();
    socket.on("error", () => {});
    if (socket.readyState === WebSocket.OPEN) socket.close(1000);
    else socket.terminate();
  }

  #connect(): void {
    const { url, headers, events } = this.#options;
    const socket = new WebSocket(url, {
      headers: headers(),
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES * 2,
      followRedirects: false,
    });
    this.#socket = socket;
    this.#timer(CONNECT_WITHIN, () => this.#gone(socket, "no connection in time"));
    socket.on("open", () => {
      this.#failures = 0;
      this.#timer(PING_EVERY, () => this.#ping(socket));
      events.open();
    });
    socket.on("message", (data, isBinary) => {
      if (socket !== this.#socket || isBinary) return;
      // As ws gives text messages: one Buffer, unless asked for another type.
      const text = (data as Buffer).toString();
      if (text === PONG) this.#timer(PING_EVERY, () => this.#ping(socket));
      else events.message(text);
    });
    socket.on("unexpected-response", (request, response) => {
      response.resume();
      request.destroy();
      events.refused(response.statusCode ?? 0);
      this.#gone(socket, `the server answered ${response.statusCode ?? "nothing"}`);
    });
    socket.on("error", (error) => this.#gone(socket, error.message));
    socket.on("close", (code, reason) =>
      this.#gone(socket, `closed with ${code} ${reason.toString()}`.trim()),
    );
  }

  #ping(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.send(PING);
    this.#timer(PONG_WITHIN, () => this.#gone(socket, "no answer to a ping"));
  }

  #gone(socket: WebSocket | null, why: string): void {
    if (this.#stopped || socket === null || socket !== this.#socket) return;
    this.#socket = null;
    socket.terminate();
    const { clock, events } = this.#options;
    const most = Math.min(BACKOFF.most, BACKOFF.first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 20);
    this.#timer(most / 2 + (most / 2) * clock.random(), () => this.#connect());
    events.closed(why);
  }

  #timer(ms: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(ms, callback);
  }
}

export function socketUrl(base: string, path: string): string {
  const url = new URL(path, base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
