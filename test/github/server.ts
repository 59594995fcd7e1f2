import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { Refused, answerOf, notFound } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { bucketOf } from "./auth.ts";
import type { Actor } from "./auth.ts";
import type { Call, Handlers, Query } from "./call.ts";
import type { Operation } from "./description.ts";
import { answerOfFault } from "./faults.ts";
import type { FaultOptions, Faults } from "./faults.ts";
import { serveGit } from "./git-http.ts";
import { answerGraphql } from "./graphql.ts";
import { serveExtras } from "./extras.ts";
import { serveHtml } from "./html.ts";
import type { RateLimits } from "./limits.ts";
import { authorize, needs } from "./permissions.ts";
import { route } from "./router.ts";
import type { Repository } from "./state.ts";
import type { RequestRecord } from "./stats.ts";
import { movedTo, named } from "./names.ts";
import type { Moved } from "./names.ts";
import { fault, knownFields, queryFault } from "./validate.ts";
import type { World } from "./world.ts";

export interface Parts {
  world: World;
  handlers: Handlers;
  faults: Faults;
  limits: RateLimits;
  records: RequestRecord[];
}

/** A body larger than this is no API request. */
const largestBody = 40 * 1024 * 1024;

export function createGitHubServer(parts: Parts): Server {
  return createServer((request, response) => {
    serve(parts, request, response).catch((error: unknown) => {
      const where = `${request.method} ${request.url}`;
      parts.world.record({
        kind: "crash",
        actor: "double",
        where,
        detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      if (!response.headersSent) response.writeHead(500, { "content-type": "application/json" });
      response.end(JSON.stringify({ message: "The double crashed; see its ledger" }));
    });
  });
}

async function serve(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = named(parts.world, request.url ?? "/");
  const path = target.split("?")[0] ?? "/";
  if (path.startsWith("/_double/"))
    return serveExtras(parts.world, request, response, readBody(request));
  if (path.startsWith("/html/")) return serveHtml(parts.world, path, response);
  const moved = movedTo(parts.world, request);
  if (moved !== null) return redirect(response, moved);
  if (parts.world.latency > 0) await setTimeout(parts.world.latency);
  if (path.startsWith("/git/")) {
    const injected = parts.faults.take({ method: request.method ?? "GET", path });
    if (injected && injected.kind !== "drop-after-commit")
      return send(parts, request, response, injected, null, {});
    return serveGit(parts.world, request, response, injected !== undefined);
  }
  await serveApi(parts, request, response, target, path);
}

function redirect(response: ServerResponse, { status, location }: Moved): void {
  response.writeHead(status, { location, "content-type": "application/json; charset=utf-8" });
  response.end(JSON.stringify({ message: "Moved Permanently", url: location }));
}

async function serveApi(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  path: string,
): Promise<void> {
  const { world } = parts;
  // HEAD is GET without the body, which Node leaves out by itself.
  const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
  const bytes = await readBody(request);
  world.requests++;
  const found = path === "/graphql" ? undefined : route(method, path);
  const operationId = path === "/graphql" ? "graphql" : (found?.operation.id ?? "unknown");
  const record: RequestRecord = {
    method,
    path,
    operationId,
    actor: "anonymous",
    status: 0,
    at: world.now(),
    faulted: false,
  };
  if (operationId === "graphql" && /(^|[\s}])mutation\b/.test(bytes.toString()))
    record.mutation = true;
  parts.records.push(record);

  let actor: Actor = { kind: "anonymous" };
  let refusedActor: Refused | undefined;
  try {
    actor = world.grants.fromHeader(request.headers.authorization);
    record.actor = actor.kind;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    refusedActor = error;
  }
  const bucket = bucketOf(actor);
  const limited = parts.limits.open(bucket, record);
  try {
    const injected = parts.faults.take({ method, path, operationId }) ?? limited;
    const state = parts.limits.state(bucket);
    const headers = {
      "x-ratelimit-limit": String(state.limit),
      "x-ratelimit-remaining": String(state.remaining),
      "x-ratelimit-used": String(state.used),
      "x-ratelimit-reset": String(state.reset),
      "x-ratelimit-resource": operationId === "graphql" ? "graphql" : "core",
    };
    let answer: Answer | null = null;
    if (injected) record.faulted = true;
    if (!injected || injected.kind === "drop-after-commit") {
      answer = !request.headers["user-agent"]
        ? withoutUserAgent(world, refusedActor ? "app" : actor.kind, `${method} ${path}`)
        : refusedActor
          ? answerOf(refusedActor)
          : path === "/graphql"
            ? await answerGraphql(world, actor, method, bytes)
            : await answerRest(parts, { method, target, path, bytes, actor, found });
      record.status = answer.status;
    }
    send(parts, request, response, injected, answer, headers);
  } finally {
    parts.limits.close(bucket);
  }
}

/** GitHub turns away who does not say its name; a Worker's fetch sends none by itself. */
function withoutUserAgent(world: World, actor: Actor["kind"], where: string): Answer {
  world.record({ kind: "invalid-request", actor, where, detail: "no User-Agent header" });
  const message =
    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
  return { status: 403, body: { message } };
}

interface Incoming {
  method: string;
  target: string;
  path: string;
  bytes: Buffer;
  actor: Actor;
  found: { operation: Operation; params: Record<string, string> } | undefined;
}

async function answerRest(parts: Parts, incoming: Incoming): Promise<Answer> {
  const { world } = parts;
  const { found, actor, method, path } = incoming;
  if (!found) {
    world.record({
      kind: "unknown-path",
      actor: actor.kind,
      where: `${method} ${path}`,
      detail: "nothing is published at this path",
    });
    return answerOf(notFound());
  }
  const { operation, params } = found;
  const where = `${method} ${path} (${operation.id})`;
  const handler = parts.handlers[operation.id];
  const need = needs[operation.id];
  if (!handler || !need) {
    world.record({
      kind: "not-implemented",
      actor: actor.kind,
      where,
      detail: "GitHub publishes this operation; the double does not have it",
    });
    return { status: 501, body: { message: `The double does not implement ${operation.id}` } };
  }
  try {
    const repo = repositoryOf(world, params);
    authorize(world, need, actor, repo, method === "GET");
    const query = queryOf(incoming.target);
    const body = bodyOf(incoming.bytes);
    const wrong = requestFault(operation, query, body);
    if (wrong) {
      world.record({ kind: "invalid-request", actor: actor.kind, where, detail: wrong });
      throw new Refused(422, `Invalid request.\n\n${wrong}`);
    }
    for (const name of unknownFields(operation, query, body))
      world.record({
        kind: "unknown-field",
        actor: actor.kind,
        where,
        detail: `"${name}" is not published; GitHub would ignore it`,
      });
    const answer = await handler(callOf(parts, incoming, { operation, params, query, body, repo }));
    checkAnswer(world, operation, where, answer);
    return answer;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // Answers to nobody in particular keep the existence of private things to themselves.
    return answerOf(error);
  }
}

function repositoryOf(world: World, params: Record<string, string>): Repository | undefined {
  const { owner, repo: name, repository_id: id } = params;
  if (id !== undefined) return world.repositories.get(Number(id)) ?? raise(notFound());
  if (owner === undefined || name === undefined) return undefined;
  return world.findRepository(owner, name) ?? raise(notFound());
}

function raise(refused: Refused): never {
  throw refused;
}

function callOf(
  parts: Parts,
  incoming: Incoming,
  rest: {
    operation: Operation;
    params: Record<string, string>;
    query: Query;
    body: unknown;
    repo: Repository | undefined;
  },
): Call {
  const { repo, ...known } = rest;
  return {
    ...known,
    world: parts.world,
    limits: parts.limits,
    actor: incoming.actor,
    target: incoming.target,
    get repo() {
      if (!repo) throw new Error(`${rest.operation.id} has no repository in its path`);
      return repo;
    },
  };
}

function queryOf(target: string): Query {
  const at = target.indexOf("?");
  return at < 0 ? {} : Object.fromEntries(new URLSearchParams(target.slice(at + 1)));
}

function bodyOf(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    throw new Refused(400, "Problems parsing JSON");
  }
}

function requestFault(operation: Operation, query: Query, body: unknown): string | undefined {
  const inQuery = queryFault(operation, query);
  if (inQuery) return `query ${inQuery}`;
  if (!operation.body) return undefined;
  if (body === undefined)
    return operation.body.required ? fault(operation.body.schema, {}) : undefined;
  return fault(operation.body.schema, body);
}

function unknownFields(operation: Operation, query: Query, body: unknown): string[] {
  const published = new Set(
    operation.parameters.filter((one) => one.in === "query").map((one) => one.name),
  );
  const inQuery = Object.keys(query).filter((name) => !published.has(name));
  const known = operation.body && knownFields(operation.body.schema);
  const inBody =
    known && typeof body === "object" && body !== null && !Array.isArray(body)
      ? Object.keys(body).filter((name) => !known.has(name))
      : [];
  const strayBody =
    !operation.body && typeof body === "object" && body !== null ? Object.keys(body) : [];
  return [...inQuery, ...inBody, ...strayBody];
}

function checkAnswer(world: World, operation: Operation, where: string, answer: Answer): void {
  if (answer.raw) return;
  const schema = operation.responses.get(answer.status);
  const detail =
    schema === undefined
      ? answer.status < 400
        ? `status ${answer.status} is not published`
        : undefined
      : schema === null
        ? undefined
        : fault(schema, answer.body);
  if (detail) world.record({ kind: "invalid-response", actor: "double", where, detail });
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > largestBody) throw new Error(`a request body of more than ${largestBody} bytes`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
}

function send(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  injected: FaultOptions | undefined,
  real: Answer | null,
  headers: Record<string, string>,
): void {
  if (injected?.kind === "timeout") return; // the socket stays open until the client or close() ends it
  if (injected?.kind === "drop" || injected?.kind === "drop-after-commit") {
    request.socket.destroy();
    return;
  }
  const answer = injected
    ? answerOfFault(injected, Math.floor(parts.world.now() / 1000) + 3600)
    : real;
  if (!answer) throw new Error("nothing to answer");
  const bytes =
    answer.raw ??
    (answer.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(answer.body)));
  response.writeHead(answer.status, {
    "content-type": "application/json; charset=utf-8",
    "x-github-media-type": "github.v3; format=json",
    "x-github-request-id": String(parts.world.nextId()),
    date: new Date(parts.world.now()).toUTCString(),
    ...headers,
    ...answer.headers,
    ...(answer.status === 204 ? {} : { "content-length": String(bytes.length) }),
  });
  response.end(answer.status === 204 ? undefined : bytes);
}
