import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { createHash } from "node:crypto";
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
} from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HealthCheck } from "../../../src/protocol/machine.ts";
import { awaitHealth } from "../../../src/runner/deploy/health/patience.ts";
import { probe, type RunnerCheck } from "../../../src/runner/deploy/health/probe.ts";
import { Ticking } from "./ticking.ts";

const TIMES = { graceSeconds: 10, intervalSeconds: 1, timeoutSeconds: 5 };
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

describe("what the runner asks", () => {
  let web: Server;
  let silent: TcpServer;
  let listed: { host: string; port: number }[];
  beforeAll(async () => {
    web = createServer((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, status === 302 ? { location: "http://127.0.0.1:1/" } : {}).end();
    });
    web.on("upgrade", (request, socket) => {
      const key = `${request.headers["sec-websocket-key"]}${request.url === "/liar" ? "" : GUID}`;
      const accept = createHash("sha1").update(key).digest("base64");
      socket.end(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
    });
    web.listen(0, "127.0.0.1");
    // Connections are taken, and never a word is said.
    silent = createTcpServer();
    silent.listen(0, "127.0.0.1");
    await Promise.all([once(web, "listening"), once(silent, "listening")]);
    listed = [
      { host: "127.0.0.1", port: portOf(web) },
      { host: "127.0.0.1", port: portOf(silent) },
      { host: "127.0.0.1", port: 1 },
    ];
  });
  afterAll(() => {
    web.closeAllConnections();
    web.close();
    silent.close();
  });
  const ask = (check: RunnerCheck, hosts = listed) =>
    probe(check, hosts, new AbortController().signal);
  const http = (path: string, port = portOf(web)): RunnerCheck => ({
    kind: "http",
    url: `http://127.0.0.1:${port}${path}`,
    ...TIMES,
  });

  it("takes an answer below 400 for health, and follows nothing", async () => {
    expect(await ask(http("/200"))).toBeNull();
    expect(await ask(http("/302"))).toBeNull();
    expect(await ask(http("/404"))).toBe("answered 404");
    expect(await ask(http("/503"))).toBe("answered 503");
    expect(await ask(http("/200", 1))).toMatch(/ECONNREFUSED/u);
  });

  it("takes a whole handshake for a WebSocket", async () => {
    const socket = (path: string): RunnerCheck => ({
      kind: "websocket",
      url: `ws://127.0.0.1:${portOf(web)}${path}`,
      ...TIMES,
    });
    expect(await ask(socket("/200"))).toBeNull();
    expect(await ask(socket("/liar"))).toMatch(/handshake that is none/u);
  });

  it("ends by its own limit where nothing answers", async () => {
    const check = { ...http("/", portOf(silent)), timeoutSeconds: 0.1 };
    expect(await ask(check)).toBe("no answer within 0.1 s");
  });

  it("connects to nothing private that is not listed by host and port", async () => {
    const tcp = (host: string, port: number): RunnerCheck => ({
      kind: "tcp",
      host,
      port,
      ...TIMES,
    });
    expect(await ask(tcp("127.0.0.1", portOf(silent)))).toBeNull();
    for (const host of ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1", "0.0.0.0"])
      expect(await ask(tcp(host, portOf(silent)), [])).toMatch(/not public|no address/u);
    expect(await ask(http("/200"), [{ host: "localhost", port: portOf(web) }])).toMatch(
      /not public/u,
    );
  });
});

describe("patience", () => {
  const unit = (name: string, graceSeconds: number): HealthCheck => ({
    kind: "unit",
    unit: name,
    ...TIMES,
    graceSeconds,
  });

  it("asks again until a check holds, or its grace is over", async () => {
    const clock = new Ticking();
    let asked = 0;
    const once = async () => ((asked += 1) >= 4 ? null : "starting");
    expect(await awaitHealth([unit("a", 10)], once, clock, 1e9)).toEqual([]);
    expect(asked).toBe(4);
    expect(await awaitHealth([unit("a", 3)], async () => "down", new Ticking(), 1e9)).toEqual([
      "a: down (asked 4 times)",
    ]);
  });

  it("ends at the deadline, whatever grace is left", async () => {
    const clock = new Ticking();
    await awaitHealth([unit("a", 10_000)], async () => "down", clock, 5_000);
    expect(clock.now()).toBeLessThanOrEqual(5_000);
  });

  it("names each check that does not hold", async () => {
    const sick = await awaitHealth(
      [unit("a", 1), unit("b", 1)],
      async (check) => (check.kind === "unit" && check.unit === "a" ? null : "failed"),
      new Ticking(),
      1e9,
    );
    expect(sick).toEqual(["b: failed (asked 2 times)"]);
  });
});
