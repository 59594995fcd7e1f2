import { createHash, randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { egressPolicy, isPublicAddress } from "../../../src/runner/isolation/egress/policy.ts";
import type { EgressRefusal } from "../../../src/runner/isolation/egress/proxy.ts";
import { egressProxy } from "../../../src/runner/isolation/egress/proxy.ts";
import { describeIsolated, err, isolationForTest, out, scratch } from "./support.ts";

describe("the egress list", () => {
  test.each([
    ["*:443", "example.org", 443, { kind: "listed", exact: false }],
    ["*:443", "example.org", 80, { kind: "not-listed" }],
    ["*.example.org:443", "cache.example.org", 443, { kind: "listed", exact: false }],
    ["*.example.org:443", "example.org", 443, { kind: "not-listed" }],
    ["*.example.org:443", "evil-example.org", 443, { kind: "not-listed" }],
    ["example.org:443", "EXAMPLE.org.", 443, { kind: "listed", exact: true }],
    ["127.0.0.1:*", "127.0.0.1", 80, { kind: "listed", exact: false }],
    ["127.0.0.1:8080", "127.0.0.1", 8080, { kind: "listed", exact: true }],
    ["[::1]:8080", "::1", 8080, { kind: "listed", exact: true }],
  ] as const)("%s for %s:%i", (pattern, host, port, decision) => {
    expect(egressPolicy([pattern]).decide(host, port)).toEqual(decision);
  });

  test.each([
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001::1",
    "localhost",
    "",
    "0x7f000001",
  ])("%s is not public", (address) => {
    expect(isPublicAddress(address, new Set())).toBe(false);
  });

  test.each(["8.8.8.8", "140.82.121.4", "172.32.0.1", "2606:4700::1", "2a00:1450:4001::1"])(
    "%s is public",
    (address) => {
      expect(isPublicAddress(address, new Set())).toBe(true);
      expect(isPublicAddress(address, new Set([address])), "unless it is the host's own").toBe(
        false,
      );
    },
  );
});

describe("the egress proxy", () => {
  let directory: string;
  let socket: string;
  let port: number;
  const refusals: EgressRefusal[] = [];
  let seen: { url: string | undefined; headers: object } | null = null;
  const target = createServer((incoming, answer) => {
    seen = { url: incoming.url, headers: incoming.headers };
    incoming.pipe(answer.writeHead(200, { "x-from": "target" }));
  });
  let proxy: ReturnType<typeof egressProxy>;

  beforeAll(async () => {
    directory = await scratch();
    socket = join(directory, "socket");
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    port = (target.address() as AddressInfo).port;
    proxy = egressProxy({
      policy: egressPolicy([`127.0.0.1:${port}`, "*:443"]),
      onRefusal: (refusal) => refusals.push(refusal),
    });
    await proxy.listen(socket);
  });
  afterAll(async () => {
    await proxy.close();
    await new Promise((resolve) => target.close(resolve));
    await rm(directory, { recursive: true });
  });

  const ask = (path: string, body = "", headers: Record<string, string> = {}) =>
    new Promise<{ status: number | undefined; body: string; headers: object }>(
      (resolve, reject) => {
        request({ socketPath: socket, path, method: body ? "POST" : "GET", headers }, (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          answer.on("end", () =>
            resolve({ status: answer.statusCode, body: text, headers: answer.headers }),
          );
        })
          .on("error", reject)
          .end(body);
      },
    );

  test("carries a request to an exact entry, without its own hop's headers", async () => {
    const answer = await ask(`http://127.0.0.1:${port}/a?b=c`, "hello", {
      "proxy-authorization": "Basic x",
      "x-kept": "1",
    });
    expect(answer).toMatchObject({ status: 200, body: "hello", headers: { "x-from": "target" } });
    expect(seen).toMatchObject({
      url: "/a?b=c",
      headers: { "x-kept": "1", host: `127.0.0.1:${port}` },
    });
    expect(seen?.headers).not.toHaveProperty("proxy-authorization");
  });

  test("tunnels to an exact entry", async () => {
    const body = await new Promise<string>((resolve, reject) => {
      request({ socketPath: socket, method: "CONNECT", path: `127.0.0.1:${port}` })
        .on("connect", (answer, tunnel) => {
          expect(answer.statusCode).toBe(200);
          let text = "";
          tunnel.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          tunnel.on("end", () => resolve(text));
          tunnel.write(
            "POST /t HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc",
          );
        })
        .on("error", reject)
        .end();
    });
    expect(body).toContain("200 OK");
    expect(body).toContain("abc");
  });

  test.each([
    ["localhost:443", "not a public address"],
    ["169.254.169.254:443", "not a public address"],
    ["[::1]:443", "not a public address"],
    ["127.1:443", "not a public address"],
    ["example.org:22", "not in the runner's egress list"],
    ["no-such-host.invalid:443", "no address"],
  ])("refuses a tunnel to %s: %s", async (authority, reason) => {
    const answer = await new Promise<{ status: number | undefined; body: string }>(
      (resolve, reject) => {
        request({ socketPath: socket, method: "CONNECT", path: authority })
          .on("connect", (refused, stream, head) => {
            let text = head.toString();
            stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
            stream.on("end", () => resolve({ status: refused.statusCode, body: text }));
          })
          .on("error", reject)
          .end();
      },
    );
    expect(answer.status).toBe(403);
    expect(answer.body).toContain(reason);
    expect(refusals.at(-1)?.reason).toContain(reason);
  });

  test("answers what is no proxy request with 400", async () => {
    expect((await ask("/relative")).status).toBe(400);
    expect((await ask("ftp://example.org/")).status).toBe(400);
  });
});

describeIsolated("builds and jobs behind the egress proxy", () => {
  const content = randomBytes(24).toString("hex");
  const hits = { listed: 0, canary: 0 };
  const listed = createServer((_request, answer) => {
    hits.listed += 1;
    answer.end(content);
  });
  const canary = createServer((_request, answer) => {
    hits.canary += 1;
    answer.end(content);
  });
  let ports: { listed: number; canary: number };
  let place: Awaited<ReturnType<typeof isolationForTest>>;

  beforeAll(async () => {
    for (const server of [listed, canary])
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports = {
      listed: (listed.address() as AddressInfo).port,
      canary: (canary.address() as AddressInfo).port,
    };
    place = await isolationForTest({
      egress: [`127.0.0.1:${ports.listed}`],
      // For bash, which can connect: Debian's static busybox cannot resolve even an address.
      nix: { "extra-sandbox-paths": "/usr /lib /lib64" },
    });
  });
  afterAll(async () => {
    await place.close();
    for (const server of [listed, canary]) await new Promise((resolve) => server.close(resolve));
  });

  const hash = createHash("sha256").update(content).digest("hex");
  const fetching = (name: string, port: number): string => `derivation {
    name = "${name}"; system = "builtin"; builder = "builtin:fetchurl"; url = "http://127.0.0.1:${port}/file";
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${hash}";
  }`;
  const build = (expression: string) =>
    place.isolation.run({
      argv: [
        "nix-build",
        "--no-out-link",
        "--option",
        "connect-timeout",
        "5",
        "--option",
        "download-attempts",
        "1",
        "--expr",
        expression,
      ],
    });

  test("a fixed-output build cannot reach the host's loopback", async () => {
    const result = await build(fetching("reaches", ports.canary));
    expect(result.exitCode).not.toBe(0);
    expect(err(result)).toContain("403");
    expect(hits.canary).toBe(0);
  });

  test("a fixed-output builder of its own cannot go around the proxy", async () => {
    const script = `
      reach() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>&1 && echo "reached $1"; }
      reach ${ports.canary}; reach ${ports.listed}
      exec 3<>/dev/tcp/127.0.0.1/3128 && echo "reached the forwarder"
      printf 'GET http://127.0.0.1:${ports.canary}/ HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3
      while read -r line; do echo "$line"; done <&3
    `;
    const result = await build(`derivation {
      name = "around"; system = builtins.currentSystem; builder = "/usr/bin/bash";
      args = [ "-c" ''${script.replaceAll("${", "''${")}'' ];
      outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${hash}";
    }`);
    expect(result.exitCode).not.toBe(0);
    for (const port of [ports.canary, ports.listed])
      expect(err(result)).toContain(`/dev/tcp/127.0.0.1/${port}: Connection refused`);
    expect(err(result).match(/reached .*/g)).toEqual(["reached the forwarder"]);
    expect(err(result)).toContain("403 Forbidden");
    expect(hits).toEqual({ canary: 0, listed: 0 });
  });

  test("a fixed-output build fetches what the operator listed", async () => {
    const result = await build(fetching("listed", ports.listed));
    expect(err(result)).toContain("listed.drv");
    expect(result.exitCode).toBe(0);
    expect(hits).toEqual({ canary: 0, listed: 1 });
  });

  test("a job with the proxy fetches what the operator listed, and nothing else", async () => {
    const fetch = (port: number, network: "none" | "proxy") =>
      place.isolation.run({
        argv: [
          "nix-instantiate",
          "--eval",
          "--option",
          "download-attempts",
          "1",
          "--expr",
          `builtins.readFile (builtins.fetchurl "http://127.0.0.1:${port}/${network}")`,
        ],
        network,
        timeoutMs: 30_000,
      });
    expect(out(await fetch(ports.listed, "proxy"))).toContain(content);
    expect((await fetch(ports.canary, "proxy")).exitCode).not.toBe(0);
    expect((await fetch(ports.listed, "none")).exitCode).not.toBe(0);
    expect(hits).toEqual({ canary: 0, listed: 2 });
  });
});
