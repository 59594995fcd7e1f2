import { type Frame } from "../../../protocol/frame.ts";
import { LEASE, type ToRunner } from "../../../protocol/control.ts";
import { PROTOCOL_VERSION } from "../../../protocol/version.ts";
import { closeSocket, type Reply, send } from "../../channel/index.ts";

/** What survives hibernation with a control socket. `renewedAt` is the lease of everything the runner holds: no row. */
export type Attachment = { runner: string; stream: string | null; renewedAt: number };

/** The newer socket of a runner closes the older one with this. */
const REPLACED = 4001;
/** The operator took the runner out. */
const RETIRED = 4003;

export function fleetFrame(
  body: ToRunner,
  about: { ack?: number; job?: string; attempt?: number } = {},
): string {
  const frame: Frame<ToRunner> = {
    v: PROTOCOL_VERSION,
    seq: 0,
    ack: about.ack ?? 0,
    job: about.job ?? null,
    attempt: about.attempt ?? null,
    sig: null,
    body,
  };
  return JSON.stringify(frame);
}

export const fleetReply: Reply = {
  ack: (ack) => fleetFrame({ kind: "ack" }, { ack }),
  // A runner's channel is never stale: single attempts are, and get `forget`.
  stale: (ack) => fleetFrame({ kind: "ack" }, { ack }),
};

/** The runners' open sockets; tagged by runner. */
export class Sockets {
  readonly #state: DurableObjectState;

  constructor(state: DurableObjectState) {
    this.#state = state;
  }

  read(socket: WebSocket): Attachment {
    // Written by `openSocket` and `write` only.
    return socket.deserializeAttachment() as Attachment;
  }

  write(socket: WebSocket, attachment: Attachment): void {
    socket.serializeAttachment(attachment);
  }

  /** The runner's socket that has said hello; null while there is none. */
  of(runner: string): WebSocket | null {
    return (
      this.#state
        .getWebSockets(runner)
        .find((socket) => isOpen(socket) && this.read(socket).stream !== null) ?? null
    );
  }

  /** Until when the runner's word is good; null when it is away. */
  leaseUntil(runner: string): number | null {
    const socket = this.of(runner);
    return socket === null ? null : this.read(socket).renewedAt + LEASE.duration;
  }

  /** Closes every other socket of the runner: a cut connection may linger after its runner came back. */
  replace(runner: string, by: WebSocket): void {
    for (const socket of this.#state.getWebSockets(runner))
      if (socket !== by) closeSocket(socket, REPLACED, "the runner connected again");
  }

  /** Closes every socket of a runner that is not enrolled any more. */
  retire(runner: string): void {
    for (const socket of this.#state.getWebSockets(runner))
      closeSocket(socket, RETIRED, "the operator has retired this runner");
  }

  tell(runner: string, body: ToRunner, job: string, attempt: number): boolean {
    const socket = this.of(runner);
    return socket !== null && send(socket, fleetFrame(body, { job, attempt }));
  }

  /** About no attempt. A runner that is away does not hear of it. */
  mention(runner: string, body: ToRunner): void {
    const socket = this.of(runner);
    if (socket !== null) send(socket, fleetFrame(body));
  }
}

function isOpen(socket: WebSocket): boolean {
  return socket.readyState === WebSocket.READY_STATE_OPEN;
}
