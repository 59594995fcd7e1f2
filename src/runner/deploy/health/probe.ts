import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest, type ClientRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { HealthCheck } from "../../../protocol/machine.ts";
import { addressOf, type ListedHost } from "./address.ts";

/** Checks that the runner asks by itself; the others are the machine's. */
export type RunnerCheck = Extract<HealthCheck, { kind: "http" | "websocket" | "tcp" }>;

/** `null` is healthy, else what was there instead, in words. */
export type Health = string | null;

/** RFC 6455, section 1.3. */
const WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Asks once, `timeoutSeconds` at most. */
export async function probe(
  check: RunnerCheck,
  listed: readonly ListedHost[],
  signal: AbortSignal,
): Promise<Health> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(check.timeoutSeconds * 1_000)]);
  const { host, port } = endOf(check);
  try {
    const found = await Promise.race([addressOf(host, port, listed), over(limited)]);
    if (found.kind === "refused") return found.why;
    switch (check.kind) {
      case "http":
        return await http(check.url, found.address, limited);
      case "websocket":
        return await websocket(check.url, found.address, limited);
      case "tcp":
        return await tcp(found.address, port, limited);
    }
  } catch (error) {
    if (limited.aborted && !signal.aborted) return `no answer within ${check.timeoutSeconds} s`;
    return error instanceof Error ? describe(error) : String(error);
  }
}

/** Healthy: an answer below 400. It is not followed: where a redirect leads is another host's health. */
async function http(url: string, address: string, signal: AbortSignal): Promise<Health> {
  const { promise, resolve, reject } = Promise.withResolvers<Health>();
  const asked = ask(url, address, signal, {});
  asked.on("error", reject);
  asked.on("response", (response) => {
    const { statusCode = 0 } = response;
    response.destroy();
    resolve(statusCode >= 200 && statusCode < 400 ? null : `answered ${statusCode}`);
  });
  asked.end();
  return await promise;
}

/** Healthy: the handshake is answered as RFC 6455 has it. */
async function websocket(url: string, address: string, signal: AbortSignal): Promise<Health> {
  const { promise, resolve, reject } = Promise.withResolvers<Health>();
  const key = randomBytes(16).toString("base64");
  const expected = createHash("sha1").update(`${key}${WEBSOCKET}`).digest("base64");
  const asked = ask(url.replace(/^ws/u, "http"), address, signal, {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": key,
    "sec-websocket-version": "13",
  });
  asked.on("error", reject);
  asked.on("upgrade", (response, socket) => {
    socket.destroy();
    const accepted = response.headers["sec-websocket-accept"] === expected;
    resolve(accepted ? null : "answered with a handshake that is none");
  });
  asked.on("response", (response) => {
    response.destroy();
    resolve(`answered ${response.statusCode ?? 0} instead of a WebSocket`);
  });
  asked.end();
  return await promise;
}

async function tcp(address: string, port: number, signal: AbortSignal): Promise<Health> {
  const { promise, resolve, reject } = Promise.withResolvers<Health>();
  const socket = connect({ host: address, port, signal });
  socket.on("connect", () => resolve(null));
  socket.on("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

/** The name is the URL's (certificate, Host header), the address ours. */
function ask(
  url: string,
  address: string,
  signal: AbortSignal,
  headers: Record<string, string>,
): ClientRequest {
  const family = address.includes(":") ? 6 : 4;
  const options = {
    signal,
    headers: { "user-agent": "snowcat-health", ...headers },
    agent: false,
    lookup: (
      _name: string,
      { all }: { all?: boolean | undefined },
      answer: (
        error: null,
        found: string | { address: string; family: number }[],
        family?: number,
      ) => void,
    ): void => (all === true ? answer(null, [{ address, family }]) : answer(null, address, family)),
  };
  return url.startsWith("https:") ? httpsRequest(url, options) : httpRequest(url, options);
}

/** Names are resolved without a limit of their own. */
async function over(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return await promise;
}

function endOf(check: RunnerCheck): { host: string; port: number } {
  if (check.kind === "tcp") return check;
  const { protocol, hostname, port } = new URL(check.url);
  const secure = protocol === "https:" || protocol === "wss:";
  return {
    host: hostname.replace(/^\[|\]$/gu, ""),
    port: port === "" ? (secure ? 443 : 80) : Number(port),
  };
}

function describe(error: Error): string {
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}
