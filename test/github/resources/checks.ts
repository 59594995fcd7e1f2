import { Refused, created, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { renderCheckRun, renderCheckSuite } from "../render/check.ts";
import { htmlUrl } from "../render/repository.ts";
import { emitCheckRun, emitSuiteRequested, latestRuns, rollUp, suiteFor } from "../suites.ts";
import type {
  Annotation,
  App,
  CheckAction,
  CheckRun,
  CheckStatus,
  CheckSuite,
  Conclusion,
} from "../state.ts";
import { commitOrRefuse } from "./commits.ts";

interface RunInput {
  name?: string;
  head_sha?: string;
  details_url?: string;
  external_id?: string;
  status?: CheckStatus;
  started_at?: string;
  conclusion?: Conclusion;
  completed_at?: string;
  output?: { title?: string; summary: string; text?: string; annotations?: Annotation[] };
  actions?: CheckAction[];
}

/** Limits that GitHub documents in words and its description does not hold, or holds for one of the two calls only. */
const longest = {
  text: 65_535,
  annotations: 50,
  annotation: 64 * 1024,
  annotationTitle: 255,
  actions: 3,
} as const;

function inputFault(input: RunInput): string | undefined {
  const { output, conclusion } = input;
  if (conclusion === "stale") return "conclusion: only GitHub can set stale";
  if (input.status === "completed" && conclusion === undefined)
    return "conclusion is required when status is completed";
  if (input.completed_at !== undefined && conclusion === undefined)
    return "conclusion is required with completed_at";
  if ((input.actions ?? []).length > longest.actions) return `at most ${longest.actions} actions`;
  for (const [name, value] of [
    ["title", output?.title],
    ["summary", output?.summary],
    ["text", output?.text],
  ] as const) {
    if ((value ?? "").length > longest.text)
      return `output.${name} is too long (maximum is ${longest.text} characters)`;
  }
  const annotations = output?.annotations ?? [];
  if (annotations.length > longest.annotations)
    return `at most ${longest.annotations} annotations in one request`;
  for (const one of annotations) {
    if (Buffer.byteLength(one.message) > longest.annotation)
      return "annotations.message is larger than 64 KB";
    if (Buffer.byteLength(one.raw_details ?? "") > longest.annotation)
      return "annotations.raw_details is larger than 64 KB";
    if ((one.title ?? "").length > longest.annotationTitle)
      return "annotations.title is longer than 255 characters";
    if (one.start_line < 1 || one.end_line < one.start_line)
      return "annotations: lines start at 1 and end_line is not before start_line";
    if (one.start_line !== one.end_line && (one.start_column ?? one.end_column) !== undefined)
      return "annotations: columns only within one line";
    if (one.path === "" || one.path.startsWith("/"))
      return "annotations.path must be a path in the repository";
  }
  return undefined;
}

/** GitHub refuses here with 422; the ledger hears of it, because our own requests must never get there. */
function mustBeValid(call: Call, input: RunInput): void {
  const fault = inputFault(input);
  if (!fault) return;
  call.world.record({
    kind: "invalid-request",
    actor: call.actor.kind,
    where: call.operation.id,
    detail: fault,
  });
  throw new Refused(422, `Invalid request.\n\n${fault}`);
}

function appOf(call: Call): App {
  if (call.actor.kind !== "installation")
    throw new Refused(403, "You must authenticate via a GitHub App.");
  return call.actor.app;
}

function runOf(call: Call): CheckRun {
  const found = call.world.checkRuns.get(numeric(call, "check_run_id"));
  if (!found || found.repoId !== call.repo.id) throw notFound();
  return found;
}

function suiteOf(call: Call): CheckSuite {
  const found = call.world.checkSuites.get(numeric(call, "check_suite_id"));
  if (!found || found.repoId !== call.repo.id) throw notFound();
  return found;
}

/** Applies what a request says; returns whether the run became complete by it. */
function apply(call: Call, run: CheckRun, input: RunInput): boolean {
  const now = call.world.stamp();
  const was = run.status;
  run.name = input.name ?? run.name;
  run.detailsUrl = input.details_url ?? run.detailsUrl;
  run.externalId = input.external_id ?? run.externalId;
  run.startedAt = input.started_at ?? run.startedAt;
  run.actions = input.actions ?? run.actions;
  if (input.conclusion !== undefined) {
    run.status = "completed";
    run.conclusion = input.conclusion;
    run.completedAt = input.completed_at ?? now;
  } else if (input.status !== undefined) {
    run.status = input.status;
    run.conclusion = null;
    run.completedAt = null;
  }
  if (input.output) {
    run.output = {
      title: input.output.title ?? run.output.title,
      summary: input.output.summary,
      text: input.output.text ?? run.output.text,
    };
    // Each request adds to what is there.
    run.annotations.push(...(input.output.annotations ?? []));
  }
  return run.status === "completed" && was !== "completed";
}

async function createRun(call: Call): Promise<CheckRun> {
  const { world, repo } = call;
  const input = call.body as RunInput & { name: string; head_sha: string };
  mustBeValid(call, input);
  const app = appOf(call);
  const { sha } = await commitOrRefuse(call, input.head_sha);
  const branch = [...(await repo.git.branches())].find(([, tip]) => tip === sha)?.[0] ?? null;
  const sender = authorOf(world, call.actor);
  const { suite } = suiteFor(world, repo, app.id, sha, { branch, before: null });
  const run: CheckRun = {
    id: world.nextId(),
    repoId: repo.id,
    appId: app.id,
    suiteId: suite.id,
    headSha: sha,
    name: input.name,
    externalId: "",
    detailsUrl: null,
    status: "queued",
    conclusion: null,
    startedAt: world.stamp(),
    completedAt: null,
    output: { title: null, summary: null, text: null },
    annotations: [],
    actions: [],
    bornAt: world.requests,
  };
  const completed = apply(call, run, input);
  world.checkRuns.set(run.id, run);
  forgetOldest(call, run);
  emitCheckRun(world, run, "created", sender);
  if (completed) emitCheckRun(world, run, "completed", sender);
  await rollUp(world, suite.id, sender);
  return run;
}

/** GitHub keeps 1,000 runs of one name in a suite. */
function forgetOldest(call: Call, added: CheckRun): void {
  const same = [...call.world.checkRuns.values()].filter(
    (run) => run.suiteId === added.suiteId && run.name === added.name,
  );
  for (const run of same.slice(0, Math.max(0, same.length - 1_000)))
    call.world.checkRuns.delete(run.id);
}

function listed(call: Call, belongs: (run: CheckRun) => boolean) {
  const { world, repo, query } = call;
  const visible = [...world.checkRuns.values()].filter(
    (run) => run.repoId === repo.id && belongs(run) && world.listed(run),
  );
  const chosen = (query["filter"] ?? "latest") === "latest" ? latestRuns(visible) : visible;
  const runs = chosen
    .filter((run) => query["check_name"] === undefined || run.name === query["check_name"])
    .filter((run) => query["status"] === undefined || run.status === query["status"])
    .filter((run) => query["app_id"] === undefined || run.appId === query["app_id"])
    .sort((a, b) => b.id - a.id);
  return page(
    call,
    runs,
    (run) => renderCheckRun(world, run),
    (shown, total) => ({ total_count: total, check_runs: shown }),
  );
}

export const checks: Handlers = {
  "checks/create": async (call) => created(renderCheckRun(call.world, await createRun(call))),

  "checks/update": async (call) => {
    const run = runOf(call);
    if (run.appId !== appOf(call).id)
      throw new Refused(
        403,
        `Invalid app_id \`${run.appId}\` - check run can only be modified by the GitHub App that created it.`,
      );
    const input = (call.body ?? {}) as RunInput;
    mustBeValid(call, input);
    const sender = authorOf(call.world, call.actor);
    if (apply(call, run, input)) emitCheckRun(call.world, run, "completed", sender);
    await rollUp(call.world, run.suiteId, sender);
    return ok(renderCheckRun(call.world, run));
  },

  "checks/get": (call) => ok(renderCheckRun(call.world, runOf(call))),

  "checks/list-for-ref": async (call) => {
    const { sha } = await commitOrRefuse(call, call.params["ref"] ?? "");
    return listed(call, (run) => run.headSha === sha);
  },

  "checks/list-for-suite": (call) => {
    const suite = suiteOf(call);
    return listed(call, (run) => run.suiteId === suite.id);
  },

  "checks/list-annotations": (call) => {
    const run = runOf(call);
    return page(call, run.annotations, (one) => ({
      path: one.path,
      blob_href: `${htmlUrl(call.world, call.repo)}/blob/${run.headSha}/${one.path.split("/").map(encodeURIComponent).join("/")}`,
      start_line: one.start_line,
      end_line: one.end_line,
      start_column: one.start_column ?? null,
      end_column: one.end_column ?? null,
      annotation_level: one.annotation_level,
      title: one.title ?? null,
      message: one.message,
      raw_details: one.raw_details ?? null,
    }));
  },

  "checks/rerequest-run": (call) => {
    const run = runOf(call);
    const suite = call.world.checkSuites.get(run.suiteId);
    // The suite is queued again; the run itself stays as it is until its App makes a new one.
    if (suite)
      Object.assign(suite, { status: "queued", conclusion: null, updatedAt: call.world.stamp() });
    emitCheckRun(call.world, run, "rerequested", authorOf(call.world, call.actor));
    return created({});
  },

  "checks/create-suite": async (call) => {
    const { world, repo } = call;
    const { sha } = await commitOrRefuse(call, (call.body as { head_sha: string }).head_sha);
    const branch = [...(await repo.git.branches())].find(([, tip]) => tip === sha)?.[0] ?? null;
    const { suite, fresh } = suiteFor(world, repo, appOf(call).id, sha, { branch, before: null });
    if (fresh) await emitSuiteRequested(world, suite, authorOf(world, call.actor));
    const body = await renderCheckSuite(world, suite);
    return fresh ? created(body) : ok(body);
  },

  "checks/get-suite": async (call) => ok(await renderCheckSuite(call.world, suiteOf(call))),

  "checks/list-suites-for-ref": async (call) => {
    const { world, repo, query } = call;
    const { sha } = await commitOrRefuse(call, call.params["ref"] ?? "");
    const named = (suite: CheckSuite): boolean =>
      [...world.checkRuns.values()].some(
        (run) => run.suiteId === suite.id && run.name === query["check_name"],
      );
    const all = [...world.checkSuites.values()]
      .filter((one) => one.repoId === repo.id && one.headSha === sha)
      .filter((one) => query["app_id"] === undefined || one.appId === query["app_id"])
      .filter((one) => query["check_name"] === undefined || named(one));
    return page(
      call,
      all,
      (one) => renderCheckSuite(world, one),
      (shown, total) => ({ total_count: total, check_suites: shown }),
    );
  },

  "checks/rerequest-suite": async (call) => {
    const suite = suiteOf(call);
    Object.assign(suite, { status: "queued", conclusion: null, updatedAt: call.world.stamp() });
    await emitSuiteRequested(call.world, suite, authorOf(call.world, call.actor), "rerequested");
    return created({});
  },
};
