import type { IncomingMessage, ServerResponse } from "node:http";
import { Refused, answerOf, notFound } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { atLeast, sees } from "./permissions.ts";
import { emitCheckRun, emitSuiteRequested } from "./suites.ts";
import type { Account, CheckRun, CheckSuite, Repository } from "./state.ts";
import type { World } from "./world.ts";

/**
 * What a person does with the mouse on GitHub's page of checks and no published operation does: "Re-run" and the
 * buttons of a check run. Below /_double, so that nobody takes it for GitHub's API.
 */

interface Pressed {
  repository?: unknown;
  check_run_id?: unknown;
  check_suite_id?: unknown;
  identifier?: unknown;
}

export async function serveExtras(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  body: Promise<Buffer>,
): Promise<void> {
  const path = (request.url ?? "").split("?")[0] ?? "";
  let answer: Answer;
  try {
    const pressed = parsed(await body);
    const by = person(world, request.headers.authorization);
    const repo = repositoryOf(world, pressed, by);
    if (request.method !== "POST") throw notFound();
    if (path === "/_double/rerequest") await rerequest(world, repo, pressed, by);
    else if (path === "/_double/action") press(world, repo, pressed, by);
    else throw notFound();
    answer = { status: 201, body: {} };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    answer = answerOf(error);
  }
  response.writeHead(answer.status, { "content-type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(answer.body));
}

function parsed(bytes: Buffer): Pressed {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString());
  } catch {
    throw new Refused(400, "Problems parsing JSON");
  }
  if (typeof body !== "object" || body === null)
    throw new Refused(400, "Body should be a JSON object");
  return body;
}

function person(world: World, authorization: string | undefined): Account {
  const actor = world.grants.fromHeader(authorization);
  if (actor.kind === "anonymous") throw new Refused(401, "Requires authentication");
  if (actor.kind !== "user") throw new Refused(403, "Only people have a page to press buttons on.");
  return actor.account;
}

/** Buttons are there for whoever may write. */
function repositoryOf(world: World, pressed: Pressed, by: Account): Repository {
  const [owner, name] = typeof pressed.repository === "string" ? pressed.repository.split("/") : [];
  if (owner === undefined || name === undefined)
    throw new Refused(422, `"repository" must be "<owner>/<name>"`);
  const repo = world.findRepository(owner, name);
  if (!repo || !sees(world, { kind: "user", account: by, token: "" }, repo)) throw notFound();
  if (!atLeast(world.roleOf(by, repo), "write"))
    throw new Refused(403, "Must have write rights to Repository.");
  return repo;
}

function runOf(world: World, repo: Repository, pressed: Pressed): CheckRun {
  const run = world.checkRuns.get(Number(pressed.check_run_id));
  if (!run || run.repoId !== repo.id) throw notFound();
  return run;
}

function suiteOf(world: World, repo: Repository, id: number): CheckSuite {
  const suite = world.checkSuites.get(id);
  if (!suite || suite.repoId !== repo.id) throw notFound();
  return suite;
}

async function rerequest(
  world: World,
  repo: Repository,
  pressed: Pressed,
  by: Account,
): Promise<void> {
  if ((pressed.check_run_id === undefined) === (pressed.check_suite_id === undefined))
    throw new Refused(422, `Give "check_run_id" or "check_suite_id"`);
  const run = pressed.check_run_id === undefined ? undefined : runOf(world, repo, pressed);
  const suite = suiteOf(world, repo, run?.suiteId ?? Number(pressed.check_suite_id));
  Object.assign(suite, { status: "queued", conclusion: null, updatedAt: world.stamp() });
  if (run) emitCheckRun(world, run, "rerequested", by);
  else await emitSuiteRequested(world, suite, by, "rerequested");
}

function press(world: World, repo: Repository, pressed: Pressed, by: Account): void {
  const run = runOf(world, repo, pressed);
  const { identifier } = pressed;
  if (!run.actions.some((action) => action.identifier === identifier)) {
    const there = run.actions.map((action) => `"${action.identifier}"`).join(", ");
    throw new Refused(422, `The check run has no such button; it has: ${there || "none"}`);
  }
  emitCheckRun(world, run, "requested_action", by, { requested_action: { identifier } });
}
