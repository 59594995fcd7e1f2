import { lookup } from "node:dns/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:http";
import type { Socket } from "node:net";
import { connect, isIP } from "node:net";
import type { Duplex } from "node:stream";
import type { EgressPolicy } from "./policy.ts";
import { isPublicAddress } from "./policy.ts";

/** One line of the proxy's log. Holds host and port only: a path may carry a secret. */
export interface EgressRefusal {
  readonly host: string;
  readonly port: number;
  readonly reason: string;
}

export interface EgressProxyOptions {
  readonly policy: EgressPolicy;
  readonly onRefusal: (refusal: EgressRefusal) => void;
}

export interface EgressProxy {
  listen(socketPath: string): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds for a connection to be made. */
const CONNECT_TIMEOUT_MS = 15_000;
/** Milliseconds without a byte in either direction until a connection is ended. */
const IDLE_TIMEOUT_MS = 300_000;

/** Headers that belong to one hop (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "proxy-connection",
  "proxy-authorization",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The only way out of a sandbox: an HTTP proxy (CONNECT and absolute-form requests) that connects
 * to allowed destinations. Names are resolved here and the connection goes to the address that
 * was judged, so that a name cannot mean something else a moment later.
 */
export function egressProxy(options: EgressProxyOptions): EgressProxy {
  const open = new Set<Duplex>();
  const server = createServer({ insecureHTTPParser: false }, (incoming, outgoing) => {
    void forward(options, incoming, outgoing);
  });
  server.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    void tunnel(options, incoming, client, head);
  });
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => open.delete(socket));
  });
  return {
    listen: (socketPath) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(socketPath, resolve);
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

async function tunnel(
  options: EgressProxyOptions,
  incoming: IncomingMessage,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  const target = parseAuthority(incoming.url ?? "");
  const judged = target ? await judge(options, target.host, target.port) : refuse("not host:port");
  if (!target || judged.kind === "refused") {
    client.end(plain(403, judged.kind === "refused" ? judged.reason : "not host:port"));
    return;
  }
  const upstream = connect({
    host: judged.address,
    port: target.port,
    timeout: CONNECT_TIMEOUT_MS,
  });
  let established = false;
  upstream.once("connect", () => {
    established = true;
    upstream.setTimeout(IDLE_TIMEOUT_MS);
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) upstream.write(head);
    client.pipe(upstream).pipe(client);
  });
  upstream.once("timeout", () => upstream.destroy(new Error("timed out")));
  upstream.once("error", (error) => {
    if (established) client.destroy();
    else
      client.end(plain(502, `cannot connect to ${target.host}:${target.port}: ${error.message}`));
  });
  client.once("close", () => upstream.destroy());
  client.on("error", () => upstream.destroy());
}

async function forward(
  options: EgressProxyOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const url = URL.canParse(incoming.url ?? "") ? new URL(incoming.url ?? "") : null;
  if (!url || url.protocol !== "http:") {
    outgoing
      .writeHead(400, { "content-type": "text/plain" })
      .end("an absolute http:// address is needed\n");
    return;
  }
  const port = url.port === "" ? 80 : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const judged = await judge(options, host, port);
  if (judged.kind === "refused") {
    outgoing.writeHead(403, { "content-type": "text/plain" }).end(`${judged.reason}\n`);
    return;
  }
  const headers = endToEnd(incoming.headers);
  const upstream = request(
    {
      host: judged.address,
      port,
      method: incoming.method,
      path: url.pathname + url.search,
      headers: { ...headers, host: url.host },
      timeout: IDLE_TIMEOUT_MS,
      agent: false,
    },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
      answer.pipe(outgoing);
      answer.once("error", () => outgoing.destroy());
    },
  );
  upstream.once("timeout", () => upstream.destroy(new Error("timed out")));
  upstream.once("error", (error) => {
    if (outgoing.headersSent) outgoing.destroy();
    else
      outgoing
        .writeHead(502, { "content-type": "text/plain" })
        .end(`cannot connect to ${host}:${port}: ${error.message}\n`);
  });
  outgoing.once("close", () => upstream.destroy());
  incoming.pipe(upstream);
}

type Judgement =
  | { readonly kind: "allowed"; readonly address: string }
  | { readonly kind: "refused"; readonly reason: string };

const refuse = (reason: string): Judgement => ({ kind: "refused", reason });

async function judge(options: EgressProxyOptions, host: string, port: number): Promise<Judgement> {
  const refused = (reason: string): Judgement => {
    options.onRefusal({ host, port, reason });
    return refuse(reason);
  };
  const decision = options.policy.decide(host, port);
  if (decision.kind === "not-listed")
    return refused(`${host}:${port} is not in the runner's egress list`);
  const addresses = isIP(host) ? [host] : await resolve(host);
  if (addresses.length === 0) return refused(`${host} has no address`);
  const address = decision.exact
    ? addresses[0]
    : addresses.find((candidate) => isPublicAddress(candidate));
  if (address === undefined)
    return refused(
      `${host}:${port} is not a public address; only an exact entry of the egress list allows it`,
    );
  return { kind: "allowed", address };
}

async function resolve(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map((entry) => entry.address);
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

function parseAuthority(authority: string): { host: string; port: number } | null {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@[\]]+)):([0-9]{1,5})$/.exec(authority);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}

function endToEnd<T>(headers: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

function plain(status: number, reason: string): string {
  const text = status === 403 ? "Forbidden" : "Bad Gateway";
  const body = `${reason.replace(/[^\x20-\x7e]/g, "?")}\n`;
  return `HTTP/1.1 ${status} ${text}\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
}
