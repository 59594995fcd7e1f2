import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "node:net";

type Stored = {
  kind?: string;
  metadata: { name?: string; resourceVersion?: string; generation?: number };
  spec?: { replicas?: number };
  data?: Record<string, string>;
  status?: unknown;
};

/**
 * A cluster's API as `kubectl proxy` shows it: objects by path, optimistic locking by resourceVersion, dry runs by the query and,
 * for deletions, by the body; controllers that bring workloads up at once, unless told otherwise.
 */
export class ClusterDouble {
  readonly objects = new Map<string, Stored>();
  /** `PATCH /apis/…?dryRun=All`, in the order they came; reads are left out. */
  readonly changes: string[] = [];
  /** Names of workloads whose pods never become ready. */
  readonly sick = new Set<string>();
  /** A status instead of an answer, or `lose`: it is done, and nobody hears of it. */
  fault: (method: string, path: string) => number | "lose" | null = () => null;
  /** Called before a request is answered. */
  before: (method: string, path: string) => void = () => {};
  socket = "";
  /** Of the last request. */
  headers: IncomingMessage["headers"] = {};
  #version = 1;
  #folder = "";
  readonly #open = new Set<Socket>();
  readonly #server = createServer((incoming, response) => {
    void this.#serve(incoming, response);
  });

  async start(): Promise<this> {
    this.#folder = await mkdtemp(join(tmpdir(), "snowcat-cluster-"));
    this.socket = join(this.#folder, "api");
    this.#server.on("connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#open) socket.destroy();
    await closed;
    await rm(this.#folder, { recursive: true });
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const body = text === "" ? null : (JSON.parse(text) as Stored & { dryRun?: string[] });
    const { method = "", url = "" } = incoming;
    this.headers = incoming.headers;
    const [path = "", query = ""] = url.split("?");
    this.before(method, path);
    if (method !== "GET")
      this.changes.push(`${method} ${url}${method === "DELETE" ? ` ${text}` : ""}`);
    const fault = this.fault(method, path);
    if (typeof fault === "number") return this.#answer(response, fault, { message: "refused" });
    const isDry = new URLSearchParams(query).get("dryRun") === "All" || body?.dryRun?.[0] === "All";
    const [status, answer] = this.#do(method, path, body, isDry);
    if (fault === "lose") return void response.destroy();
    this.#answer(response, status, answer);
  }

  #do(method: string, path: string, body: Stored | null, isDry: boolean): [number, unknown] {
    const found = this.objects.get(path);
    const keep = (at: string, object: Stored): Stored => {
      this.#version += 1;
      const generation = (found?.metadata.generation ?? 0) + 1;
      const metadata = { ...object.metadata, resourceVersion: String(this.#version), generation };
      const stored = { ...object, metadata };
      stored.status = this.#status(at, stored);
      if (!isDry) this.objects.set(at, stored);
      return stored;
    };
    switch (method) {
      case "GET":
        return found === undefined ? [404, { message: "not found" }] : [200, found];
      case "POST": {
        const at = `${path}/${body?.metadata.name ?? ""}`;
        if (body === null) return [400, { message: "no body" }];
        return this.objects.has(at) ? [409, { message: "already exists" }] : [201, keep(at, body)];
      }
      case "PUT":
        if (found === undefined || body === null) return [404, { message: "not found" }];
        return body.metadata.resourceVersion === found.metadata.resourceVersion
          ? [200, keep(path, body)]
          : [409, { message: "the object has been modified" }];
      case "PATCH":
        return body === null ? [400, { message: "no body" }] : [200, keep(path, body)];
      case "DELETE":
        if (found === undefined) return [404, { message: "not found" }];
        if (!isDry) this.objects.delete(path);
        return [200, { status: "Success" }];
      default:
        return [405, { message: method }];
    }
  }

  #status(path: string, { metadata, spec }: Stored): unknown {
    const isSick = this.sick.has(metadata.name ?? "");
    const observedGeneration = metadata.generation;
    if (path.includes("/jobs/"))
      return {
        conditions: [
          { type: isSick ? "Failed" : "Complete", status: "True", message: "BackoffLimitExceeded" },
        ],
      };
    if (path.includes("/daemonsets/"))
      return {
        observedGeneration,
        desiredNumberScheduled: 1,
        updatedNumberScheduled: 1,
        numberReady: isSick ? 0 : 1,
      };
    const replicas = spec?.replicas ?? 1;
    return {
      observedGeneration,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: isSick ? 0 : replicas,
    };
  }

  #answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }
}
