import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Refused } from "./answer.ts";
import { authorOf } from "./auth.ts";
import type { Actor } from "./auth.ts";
import { gitEnvironment, zeroSha } from "./git.ts";
import type { RefUpdate } from "./git.ts";
import { grants, reaches, sees } from "./permissions.ts";
import { writePushRules } from "./push-rules.ts";
import { mayPush, refsMoved } from "./pushes.ts";
import type { Repository } from "./state.ts";
import type { World } from "./world.ts";

/** Git's smart HTTP protocol, by `git http-backend`, behind the double's tokens. */

const services =
  /^\/git\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack|HEAD)$/;

export async function serveGit(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  dropAnswer: boolean,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const [, owner, name, file] = services.exec(decodeURIComponent(url.pathname)) ?? [];
  if (owner === undefined || name === undefined || file === undefined)
    return refuse(response, 404, "Not Found");
  const pushing =
    file === "git-receive-pack" || url.searchParams.get("service") === "git-receive-pack";
  let actor: Actor;
  try {
    actor = world.grants.fromHeader(request.headers.authorization);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refuse(response, 401, "Invalid username or token.");
  }
  const repo = world.findRepository(owner, name);
  const denied = denial(world, actor, repo, pushing);
  if (denied || !repo) return refuse(response, denied ?? 404, "Repository not found.");
  const run = (pushRules = ""): Promise<void> =>
    backend({
      pushRules,
      request,
      response,
      repo,
      file,
      query: url.search.slice(1),
      user: actor.kind === "anonymous" ? "" : authorOf(world, actor).login,
      dropAnswer,
      after,
    });
  let before = new Map<string, string>();
  const after = async (): Promise<void> => {
    if (file !== "git-receive-pack") return;
    await refsMoved(world, repo, difference(before, await repo.git.refs()), authorOf(world, actor));
  };
  if (file !== "git-receive-pack") return run();
  await repo.git.exclusively(async () => {
    before = await repo.git.refs();
    await run(await writePushRules(world, repo, authorOf(world, actor)));
  });
}

/** GitHub's statuses: 401 asks the helper for a token, 404 hides what one may not see, 403 says "read only". */
function denial(
  world: World,
  actor: Actor,
  repo: Repository | undefined,
  pushing: boolean,
): 401 | 403 | 404 | undefined {
  if (actor.kind === "app") return 401;
  if (!repo || !sees(world, actor, repo)) return actor.kind === "anonymous" ? 401 : 404;
  if (actor.kind === "anonymous") return pushing ? 401 : undefined;
  if (actor.kind === "user")
    return pushing && !mayPush(world, actor.account, repo) ? 403 : undefined;
  if (pushing)
    return reaches(world, actor, repo) && grants(actor, "contents", "write") ? undefined : 403;
  return !repo.private || grants(actor, "contents", "read") ? undefined : 403;
}

export function difference(before: Map<string, string>, after: Map<string, string>): RefUpdate[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((ref) => ({ ref, before: before.get(ref) ?? zeroSha, after: after.get(ref) ?? zeroSha }))
    .filter((one) => one.before !== one.after);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, {
    "content-type": "text/plain",
    ...(status === 401 ? { "www-authenticate": 'Basic realm="GitHub"' } : {}),
  });
  response.end(`${message}\n`);
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  repo: Repository;
  file: string;
  query: string;
  user: string;
  dropAnswer: boolean;
  /** The table for the update hook, "" where nothing is written. */
  pushRules: string;
  /** Runs when git has finished and before the answer ends. */
  after: () => Promise<void>;
}

function backend({
  request,
  response,
  repo,
  file,
  query,
  user,
  dropAnswer,
  pushRules,
  after,
}: Exchange): Promise<void> {
  const header = (name: string): string => String(request.headers[name] ?? "");
  const child = spawn("git", ["http-backend"], {
    env: gitEnvironment({
      GIT_PROJECT_ROOT: repo.git.dir,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: `/${file}`,
      REQUEST_METHOD: request.method ?? "GET",
      QUERY_STRING: query,
      CONTENT_TYPE: header("content-type"),
      REMOTE_ADDR: "127.0.0.1",
      DOUBLE_PUSH_RULES: pushRules,
      ...(user ? { REMOTE_USER: user } : {}),
      ...(header("content-length") ? { CONTENT_LENGTH: header("content-length") } : {}),
      ...(header("content-encoding") ? { HTTP_CONTENT_ENCODING: header("content-encoding") } : {}),
      ...(header("git-protocol") ? { GIT_PROTOCOL: header("git-protocol") } : {}),
    }),
  });
  request.pipe(child.stdin);
  child.stdin.on("error", () => {}); // the backend may answer before it has read everything
  request.on("close", () => {
    if (!request.complete) child.kill();
  });
  let head = Buffer.alloc(0);
  let started = false;
  child.stdout.on("data", (bytes: Buffer) => {
    if (dropAnswer) return;
    if (started) {
      if (!response.write(bytes)) {
        child.stdout.pause();
        response.once("drain", () => child.stdout.resume());
      }
      return;
    }
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    started = true;
    const { status, headers } = parseHead(head.subarray(0, end).toString("latin1"));
    response.writeHead(status, headers);
    response.write(head.subarray(end + 4));
  });
  // A client that goes away must not leave the pipe paused for ever.
  response.on("close", () => child.stdout.resume());
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", (cause) =>
      reject(new Error("git http-backend could not be started", { cause })),
    );
    child.on("close", () => {
      after().then(() => {
        if (dropAnswer) request.socket.destroy();
        else if (!started) refuse(response, 500, `git http-backend gave no answer: ${stderr}`);
        else response.end();
        resolve();
      }, reject);
    });
  });
}

/** CGI's head: a Status line (else 200) and headers. */
function parseHead(text: string): { status: number; headers: Record<string, string> } {
  const headers: Record<string, string> = {};
  let status = 200;
  for (const line of text.split("\r\n")) {
    const at = line.indexOf(":");
    const name = line.slice(0, at).toLowerCase();
    const value = line.slice(at + 1).trim();
    if (name === "status") status = Number.parseInt(value, 10);
    else headers[name] = value;
  }
  return { status, headers };
}
