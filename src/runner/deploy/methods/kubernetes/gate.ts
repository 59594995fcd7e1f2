import { randomBytes, timingSafeEqual } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Asked, judgeRequest, type Mode, type RequestOptions } from "./judge.ts";
import { describeObject } from "./object.ts";

/** What was asked of the cluster while a program ran, as the gate saw it. */
export interface Traffic {
  /** Written objects and how the last request for each ended. */
  readonly written: ReadonlyMap<string, { readonly status: number; readonly why: string }>;
  readonly deleted: ReadonlyMap<string, { readonly status: number }>;
  /** Objects that were read, by name or with all of their kind. */
  readonly read: ReadonlySet<string>;
  readonly refused: readonly string[];
}

/**
 * What stands between the repository's deployment program and the cluster. The program has an address and no credentials;
 * what it may do is decided here, whatever arguments it was given: nothing but dry runs in a dry run, and afterwards no
 * deletion that the dry run did not show. What it did is told from here too, and not from its exit code.
 */
export interface Gate {
  /** `http://127.0.0.1:…/<secret>`: the server of its kubeconfig. */
  readonly server: string;
  /** Host and port of it. */
  readonly reach: string;
  /** Opens for one run of a program. */
  open(mode: Mode): void;
  /** Closes, and tells what happened since it was opened. */
  shut(): Traffic;
  close(): Promise<void>;
}

/** Of one request: objects are smaller by far (etcd takes 1.5 MiB). */
const MAX_BODY = 8 * 1024 * 1024;
const HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"]);

/** @param socket of `kubectl proxy`. */
export async function openGate(socket: string): Promise<Gate> {
  const secret = randomBytes(24).toString("hex");
  let mode: Mode | null = null;
  let traffic = emptyTraffic();
  const sockets = new Set<Socket>();

  const refuse = (response: ServerResponse, code: number, why: string): void => {
    if (traffic.refused.length < MAX_REFUSED) traffic.refused.push(why);
    const body = { kind: "Status", apiVersion: "v1", status: "Failure", message: why, code };
    response.writeHead(code, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...body, reason: "Forbidden" }));
  };
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = pathOf(incoming.url ?? "", secret);
    if (path === null || mode === null) return refuse(response, 403, "the gate is closed");
    const method = incoming.method ?? "";
    const body = await bodyOf(incoming);
    if (body === null)
      return refuse(response, 413, `${method} ${path}: a body of over ${MAX_BODY} bytes`);
    const options: RequestOptions = { method, path, body };
    const now = mode;
    const judged = judgeRequest(options, now);
    if (judged.kind === "refused") return refuse(response, 403, `snowcat: ${judged.why}`);
    // An old runner that wakes up: looked at for each change, since a program may run for long.
    const late = judged.kind === "changes" && now.kind === "apply" ? await now.fence() : null;
    if (late !== null) return refuse(response, 403, `snowcat: ${late}`);
    forward(socket, incoming, response, options, judged, traffic);
  };

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch((cause: unknown) => {
      response.destroy(new Error("the gate failed", { cause }));
    });
  });
  server.on("connection", (connection: Socket) => {
    sockets.add(connection);
    connection.once("close", () => sockets.delete(connection));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    server: `http://127.0.0.1:${port}/${secret}`,
    reach: `127.0.0.1:${port}`,
    open: (next) => {
      mode = next;
      traffic = emptyTraffic();
    },
    shut: () => {
      mode = null;
      // What is under way still holds an answer that nobody will hear.
      for (const connection of sockets) connection.destroy();
      return traffic;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of sockets) connection.destroy();
      }),
  };
}

const MAX_REFUSED = 32;
type Seen = {
  written: Map<string, { status: number; why: string }>;
  deleted: Map<string, { status: number }>;
  read: Set<string>;
  refused: string[];
};
const emptyTraffic = (): Seen => ({
  written: new Map(),
  deleted: new Map(),
  read: new Set(),
  refused: [],
});

/** Without the secret; null where it is not there. Requests of an HTTP proxy carry the whole address. */
function pathOf(url: string, secret: string): string | null {
  const path = /^https?:\/\//iu.test(url) ? url.replace(/^https?:\/\/[^/]*/iu, "") : url;
  const given = Buffer.from(path.slice(1, 1 + secret.length));
  const wanted = Buffer.from(secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
  const rest = path.slice(1 + secret.length);
  return rest.startsWith("/") ? rest : null;
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    const piece = chunk as Buffer;
    bytes += piece.length;
    if (bytes > MAX_BODY) return null;
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}

function forward(
  socket: string,
  incoming: IncomingMessage,
  response: ServerResponse,
  { method, path, body }: RequestOptions,
  asked: Asked,
  traffic: Seen,
): void {
  const headers: OutgoingHttpHeaders = Object.fromEntries(
    Object.entries(incoming.headers).filter(
      ([name]) => !HOP.has(name) && !name.startsWith("impersonate-") && name !== "authorization",
    ),
  );
  const outgoing = request(
    {
      socketPath: socket,
      method,
      path,
      headers: { ...headers, host: "localhost", "content-length": body.length },
    },
    (answer) => {
      const status = answer.statusCode ?? 502;
      note(traffic, asked, status);
      response.writeHead(status, { ...answer.headers, connection: "close" });
      answer.pipe(response);
    },
  );
  outgoing.on("error", (error) => {
    note(traffic, asked, 0);
    response.destroy(error);
  });
  response.once("close", () => outgoing.destroy());
  outgoing.end(body);
}

/** @param status 0: the answer never came. */
function note(traffic: Seen, asked: Asked, status: number): void {
  if (asked.object === null) return;
  const key = describeObject(asked.object);
  if (asked.kind === "reads") {
    traffic.read.add(key);
    return;
  }
  if (asked.deletes) traffic.deleted.set(key, { status });
  // A subresource's end says nothing of the object's.
  else if (asked.object.subresource === null)
    traffic.written.set(key, { status, why: `${asked.verb} answered ${status}` });
}
