import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import {
  type FromRunner,
  PING,
  PONG,
  RunnerFrame,
  type ToRunner,
} from "../../../src/protocol/control.ts";
import {
  LogFrame,
  type LogPart,
  RunFrame,
  type ToLog,
  type ToRun,
} from "../../../src/protocol/data.ts";
import type { Frame } from "../../../src/protocol/frame.ts";
import { RUNNER_ROUTE } from "../../../src/protocol/routes.ts";
import type { Specification } from "../../../src/protocol/specification.ts";

type Kept<Body> = { seq: number; body: Body; job: string | null; attempt: number | null };

/**
 * A small control plane on loopback: real sockets, commit then ack, gaps refused, repetitions counted. What it keeps in
 * memory stands for what the objects commit.
 */
export class ControlPlane {
  readonly #server: Server;
  readonly #sockets = new Set<WebSocket>();
  readonly #seq = new Map<string, number>();
  readonly #key = generateKeyPairSync("ed25519");
  #control: WebSocket | null = null;
  #changed = Promise.withResolvers<void>();
  readonly control: Kept<FromRunner>[] = [];
  /** Renewals and drains. */
  readonly unkept: FromRunner[] = [];
  readonly hellos: Extract<FromRunner, { kind: "hello" }>[] = [];
  readonly run: Kept<ToRun>[] = [];
  readonly logs = new Map<string, Buffer>();
  readonly closed = new Map<string, { size: number; sha256: string; dropped: number }>();
  readonly authorizations: string[] = [];
  /** Statuses of the next answers to a question for the clone token; then it is given. */
  tokenAnswers: number[] = [];
  /** Everything that came over the wire, as it came. */
  wire = "";
  repeated = 0;
  gaps = 0;
  /** Called for each frame before it is committed; false cuts the socket without committing. */
  admit: (path: string, frame: Frame<unknown>) => boolean = () => true;
  /** Called when a frame is committed and before it is acknowledged; false cuts the socket. */
  acknowledge: (path: string, frame: Frame<unknown>) => boolean = () => true;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<ControlPlane> {
    const server = createServer((request, response) => {
      if (request.url === RUNNER_ROUTE.token && plane.tokenAnswers.length > 0)
        response.writeHead(plane.tokenAnswers.shift() ?? 500).end("not now");
      else if (request.url === RUNNER_ROUTE.token)
        response.end(
          JSON.stringify({ token: "clone-token-of-the-job-0123456789", expiresAt: 9e15 }),
        );
      else response.writeHead(404).end();
    });
    const plane = new ControlPlane(server);
    const sockets = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket, head) => {
      plane.authorizations.push(request.headers.authorization ?? "");
      sockets.handleUpgrade(request, socket, head, (opened) =>
        plane.#opened(opened, request.url ?? "", request.headers.authorization ?? ""),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return plane;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get publicKey(): string {
    return Buffer.from(this.#key.publicKey.export({ format: "jwk" }).x ?? "", "base64url").toString(
      "base64",
    );
  }

  signatureOf(specification: Specification): string {
    return sign(null, Buffer.from(JSON.stringify(specification)), this.#key.privateKey).toString(
      "base64",
    );
  }

  offer(
    specification: Specification,
    token = "attempt-token-0123456789",
    signature?: string,
  ): void {
    const text = JSON.stringify(specification);
    const signed = signature ?? this.signatureOf(specification);
    this.tell({ kind: "offer", specification: text, signature: signed, token }, specification);
  }

  tell(body: ToRunner, about: { job: string; attempt: number }): void {
    this.#control?.send(frame(body, 0, about));
  }

  /** Cuts every connection, without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** Resolves when `fits` holds; looked at after each change. */
  async until(fits: () => boolean): Promise<void> {
    while (!fits()) await this.#changed.promise;
  }

  finished(job: string) {
    return this.control.filter((each) => each.job === job && each.body.kind === "finished");
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  #opened(socket: WebSocket, path: string, authorization: string): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    if (path === RUNNER_ROUTE.socket) this.#control = socket;
    const stream = { name: path === RUNNER_ROUTE.socket ? "" : `${path} ${authorization}` };
    if (path !== RUNNER_ROUTE.socket)
      socket.send(frame({ kind: "ack" }, this.#seq.get(stream.name) ?? 0, null));
    socket.on("message", (data) => {
      // What was on its way when the socket was cut is lost, as on a network.
      if (socket.readyState !== socket.OPEN) return;
      const text = (data as Buffer).toString();
      if (text === PING) return socket.send(PONG);
      this.wire += text;
      this.#message(socket, path, stream, text);
      const changed = this.#changed;
      this.#changed = Promise.withResolvers();
      changed.resolve();
    });
  }

  #message(socket: WebSocket, path: string, stream: { name: string }, text: string): void {
    const schema =
      path === RUNNER_ROUTE.socket ? RunnerFrame : path === RUNNER_ROUTE.run ? RunFrame : LogFrame;
    const parsed = schema.parse(JSON.parse(text));
    if (parsed.seq === 0) return this.#unkept(socket, stream, parsed);
    const committed = this.#seq.get(stream.name) ?? 0;
    if (parsed.seq > committed + 1) {
      this.gaps += 1;
      return socket.terminate();
    }
    if (!this.admit(path, parsed)) return socket.terminate();
    if (parsed.seq === committed + 1) {
      this.#commit(path, parsed);
      this.#seq.set(stream.name, parsed.seq);
    } else this.repeated += 1;
    if (!this.acknowledge(path, parsed)) return socket.terminate();
    socket.send(frame({ kind: "ack" }, this.#seq.get(stream.name) ?? 0, null));
  }

  #unkept(socket: WebSocket, stream: { name: string }, { body }: Frame<unknown>): void {
    const said = body as FromRunner;
    if (said.kind !== "hello") {
      this.unkept.push(said);
      return;
    }
    stream.name = said.stream;
    this.hellos.push(said);
    socket.send(
      frame(
        { kind: "welcome", runner: "r1", pool: "trusted" },
        this.#seq.get(stream.name) ?? 0,
        null,
      ),
    );
  }

  #commit(path: string, { seq, body, job, attempt }: Frame<unknown>): void {
    if (path === RUNNER_ROUTE.socket)
      this.control.push({ seq, body: body as FromRunner, job, attempt });
    else if (path === RUNNER_ROUTE.run) this.run.push({ seq, body: body as ToRun, job, attempt });
    else this.#log(LogFrame.shape.body.parse(body));
  }

  #log({ parts }: ToLog): void {
    for (const part of parts) this.#part(part);
  }

  #part(body: LogPart): void {
    const known = this.logs.get(body.stream) ?? Buffer.alloc(0);
    if (body.kind === "close") {
      if (body.size !== known.length)
        throw new Error(`${body.stream} closes at ${body.size}, has ${known.length}`);
      this.closed.set(body.stream, body);
      return;
    }
    if (body.offset !== known.length)
      throw new Error(`${body.stream}: chunk for ${body.offset}, has ${known.length}`);
    if (this.closed.has(body.stream)) throw new Error(`${body.stream} is closed`);
    this.logs.set(body.stream, Buffer.concat([known, Buffer.from(body.data, "base64")]));
  }
}

function frame(body: unknown, ack: number, about: { job: string; attempt: number } | null): string {
  return JSON.stringify({
    v: 1,
    seq: 0,
    ack,
    job: about?.job ?? null,
    attempt: about?.attempt ?? null,
    sig: null,
    body,
  });
}
