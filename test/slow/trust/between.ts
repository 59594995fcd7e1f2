import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { FleetFrame, type ToRunner } from "../../../src/protocol/control.ts";
import { RUNNER_ROUTE } from "../../../src/protocol/routes.ts";
import type { Specification } from "../../../src/protocol/specification.ts";

/**
 * Somebody between a runner and its control plane who holds the control plane's own key: says to the runner what they like,
 * keeps from it that nobody else knows of it, and answers for manifests. Everything else passes.
 */
export class Between {
  readonly #server: Server;
  readonly #open = new Set<WebSocket>();
  readonly #key: KeyObject;
  readonly #kept = new Set<string>();
  #control: WebSocket | null = null;
  /** Answered for whatever manifest is asked for. */
  manifest = "";

  private constructor(server: Server, key: KeyObject) {
    this.#server = server;
    this.#key = key;
  }

  static async start(target: string, specificationKey: string): Promise<Between> {
    const server = createServer((request, response) => {
      if (request.url?.startsWith(`${RUNNER_ROUTE.manifest}/`) === true)
        response.end(between.manifest);
      else response.writeHead(404).end();
    });
    const key = createPrivateKey({
      key: Buffer.from(specificationKey, "base64"),
      format: "der",
      type: "pkcs8",
    });
    const between = new Between(server, key);
    const sockets = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (opened) =>
        between.#pass(
          opened,
          new WebSocket(`${target.replace("http", "ws")}${request.url ?? ""}`, {
            headers: { authorization: request.headers.authorization ?? "" },
          }),
          request.url === RUNNER_ROUTE.socket,
        ),
      ),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return between;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  signature(text: string): string {
    return sign(null, Buffer.from(text), this.#key).toString("base64");
  }

  /** An offer as the control plane makes them, signed by its key unless given another signature. */
  offer(
    specification: Pick<Specification, "job" | "attempt">,
    signature = this.signature(JSON.stringify(specification)),
  ): void {
    const { job, attempt } = specification;
    this.#kept.add(job);
    const body = {
      kind: "offer",
      specification: JSON.stringify(specification),
      signature,
      token: "a-token-that-opens-nothing",
    } satisfies ToRunner;
    this.#control?.send(JSON.stringify({ v: 1, seq: 0, ack: 0, job, attempt, sig: null, body }));
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  #pass(runner: WebSocket, plane: WebSocket, isControl: boolean): void {
    if (isControl) this.#control = runner;
    const waiting: string[] = [];
    for (const socket of [runner, plane]) {
      this.#open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#open.delete(socket);
        runner.terminate();
        plane.terminate();
      });
    }
    plane.on("open", () => {
      for (const text of waiting.splice(0)) plane.send(text);
    });
    runner.on("message", (data) => {
      if (plane.readyState === WebSocket.OPEN) plane.send(textOf(data));
      else waiting.push(textOf(data));
    });
    plane.on("message", (data) => {
      if (!isControl || !this.#isKept(textOf(data))) runner.send(textOf(data));
    });
  }

  /** That the control plane does not know the job is nothing the runner is to hear. */
  #isKept(text: string): boolean {
    if (text === "pong") return false;
    const { body, job } = FleetFrame.parse(JSON.parse(text));
    return body.kind === "forget" && job !== null && this.#kept.has(job);
  }
}

function textOf(data: RawData): string {
  return (data as Buffer).toString();
}
