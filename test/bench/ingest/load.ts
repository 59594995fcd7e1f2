import { createHmac, randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";

/** What one round of load came to: answers other than `expected` are errors, and errors fail the benchmark. */
export type Round = { accepted: number; seconds: number; latencies: number[]; errors: string[] };

export type Target = { host: string; port: number; path: string };

/** A signed webhook POST with everything but its delivery id fixed. */
export type Prepared = { head: string; tail: string; body: Buffer };

export function prepare(target: Target, secret: string, event: string, payload: unknown): Prepared {
  const body = Buffer.from(JSON.stringify(payload));
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const head = [
    `POST ${target.path} HTTP/1.1`,
    `Host: ${target.host}:${target.port}`,
    "Content-Type: application/json",
    "User-Agent: GitHub-Hookshot/bench",
    `Content-Length: ${body.length}`,
    `X-GitHub-Event: ${event}`,
    `X-Hub-Signature-256: sha256=${signature}`,
    "X-GitHub-Delivery: ",
  ].join("\r\n");
  return { head, tail: "\r\n\r\n", body };
}

/** Keeps `connections` requests under way until `milliseconds` have passed, then lets the last ones end. */
export async function load(
  target: Target,
  prepared: Prepared[],
  connections: number,
  milliseconds: number,
): Promise<Round> {
  const round: Round = { accepted: 0, seconds: 0, latencies: [], errors: [] };
  const began = performance.now();
  const until = began + milliseconds;
  let turn = 0;
  const next = () => prepared[turn++ % prepared.length] as Prepared;
  await Promise.all(Array.from({ length: connections }, () => worker(target, next, until, round)));
  round.seconds = (performance.now() - began) / 1_000;
  return round;
}

/** One keep-alive connection on a bare socket: the client's own cost must not hide the difference between servers. */
function worker(target: Target, next: () => Prepared, until: number, round: Round): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(target.port, target.host).setNoDelay(true);
    let received = "";
    let sentAt = 0;
    const send = () => {
      if (performance.now() >= until) {
        socket.end();
        return resolve();
      }
      const request = next();
      received = "";
      sentAt = performance.now();
      write(socket, request);
    };
    socket.once("connect", send);
    socket.once("error", (cause) =>
      reject(new Error(`the connection to ${target.host}:${target.port} broke`, { cause })),
    );
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (!whole(received)) return;
      round.latencies.push(performance.now() - sentAt);
      const status = received.slice(9, 12);
      if (status.startsWith("2")) round.accepted += 1;
      else round.errors.push(received.slice(0, 200));
      send();
    });
  });
}

function write(socket: Socket, request: Prepared): void {
  socket.cork();
  socket.write(`${request.head}${randomUUID()}${request.tail}`, "latin1");
  socket.write(request.body);
  socket.uncork();
}

function whole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/iu.exec(text);
  if (length !== null) return text.length >= end + 4 + Number(length[1]);
  return /\r\ntransfer-encoding: chunked/iu.test(text) ? text.endsWith("0\r\n\r\n") : true;
}
