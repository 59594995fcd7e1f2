import { type Context, Hono } from "hono";
import { html } from "hono/html";
import { LogStream } from "../../protocol/data.ts";
import type { Environment } from "../environment.ts";
import { type LogContract, objectName, type RunView } from "../objects/contracts.ts";
import { access, fleetAccess } from "./access.ts";
import { SCRIPT, STYLE } from "./assets.ts";
import { FleetPage } from "./fleet.tsx";
import { secure } from "./headers.ts";
import { Layout } from "./layout.tsx";
import { LogPage } from "./log.tsx";
import { MachinePage } from "./machine.tsx";
import { type LiveLog, PAGE, RunPage } from "./run.tsx";
import { textOf } from "./text.ts";

type Env = { Bindings: Environment };

/** What people see behind the links of the checks. Public repositories only; everything else is the same 404. */
export const pages = new Hono<Env>();

pages.use("/runs/*", secure);
pages.use("/fleet/*", secure);
pages.use("/assets/*", secure);

pages.get("/assets/style.css", (context) => asset(context, STYLE, "text/css; charset=utf-8"));
pages.get("/assets/log.js", (context) => asset(context, SCRIPT, "text/javascript; charset=utf-8"));

pages.get("/fleet/:repository", async (context) => {
  const fleet = await fleetAccess(context.env, context.req.param("repository"));
  if (fleet === null) return nothing(context);
  return page(
    context,
    <FleetPage fleet={fleet} now={Date.now()} banner={context.env.DEMO_BANNER} />,
  );
});

pages.get("/fleet/:repository/:machine", async (context) => {
  const fleet = await fleetAccess(context.env, context.req.param("repository"));
  const named = context.req.param("machine");
  const machine = fleet?.machines.find(({ name }) => name === named);
  if (fleet === null || machine === undefined) return nothing(context);
  return page(
    context,
    <MachinePage
      fleet={fleet}
      machine={machine}
      now={Date.now()}
      banner={context.env.DEMO_BANNER}
    />,
  );
});

pages.get("/runs/:run", async (context) => {
  const found = await access(context.env, context.req.param("run"));
  if (found === null) return nothing(context);
  const after = offset(context.req.query("after"));
  const attributes = await found.run.attributes(after, PAGE);
  const [live, impact] = await Promise.all([
    liveLogs(context.env, found.view),
    after > 0 ? null : found.run.impact(),
  ]);
  return page(
    context,
    <RunPage
      view={found.view}
      attributes={attributes}
      live={live}
      impact={impact}
      after={after}
      banner={context.env.DEMO_BANNER}
    />,
  );
});

/**
 * Attributes with their verdicts and who built them (`provenance`, see the protocol: anybody can check the signature),
 * 500 at a time: `next` is where to go on, null at the end.
 */
pages.get("/runs/:run/attributes.json", async (context) => {
  const found = await access(context.env, context.req.param("run"));
  if (found === null) return context.json({ error: "There is nothing here." }, 404);
  const attributes = await found.run.attributes(offset(context.req.query("after")), PAGE);
  const { host, repository } = found.view.identity;
  return context.json({
    host,
    repository: repository.id,
    attributes,
    next: attributes.length === PAGE ? (attributes.at(-1)?.index ?? null) : null,
  });
});

pages.get("/runs/:run/logs/:job/:attempt/:stream", async (context) => {
  const found = await readLog(context.env, context.req.param(), offset(context.req.query("from")));
  if (found === null) return nothing(context);
  return page(context, <LogPage {...found} banner={context.env.DEMO_BANNER} />);
});

/** The same as text, for the script and for `curl`: `x-snowcat-next` is where to go on. */
pages.get("/runs/:run/logs/:job/:attempt/:stream/raw", async (context) => {
  const found = await readLog(context.env, context.req.param(), offset(context.req.query("from")));
  if (found === null) return context.text("There is nothing here.\n", 404);
  return context.body(found.text, 200, {
    "content-type": "text/plain; charset=utf-8",
    "x-snowcat-next": String(found.next),
    "x-snowcat-closed": found.closed !== null && found.next >= found.closed.size ? "yes" : "no",
  });
});

/** Most jobs and streams that a run's page names while they are written. */
const LIVE = { jobs: 8, streams: 20 } as const;

/** Logs of builds under way: an attribute's own link comes with its verdict only. */
async function liveLogs(env: Environment, view: RunView): Promise<LiveLog[]> {
  const running = view.jobs.filter(({ state }) => state === "running").slice(0, LIVE.jobs);
  const logs = await Promise.all(
    running.map(async ({ job, attempt }) => {
      const log: LogContract = env.LOG.getByName(objectName.log(env.GITHUB_HOST, job, attempt));
      const open = (await log.streams()).filter(
        ({ stream, closed }) => !closed && stream !== "job",
      );
      return open.slice(0, LIVE.streams).map(({ stream }) => ({ job, attempt, stream }));
    }),
  );
  return logs.flat();
}

type LogRead = {
  view: RunView;
  job: string;
  attempt: number;
  stream: string;
  from: number;
  next: number;
  text: string;
  closed: { size: number; sha256: string; dropped: number } | null;
};

/** A part of a log, of an attempt the run knows. */
async function readLog(
  env: Environment,
  params: { run: string; job: string; attempt: string; stream: string },
  from: number,
): Promise<LogRead | null> {
  const { run, job, stream } = params;
  const attempt = Number(params.attempt);
  if (!LogStream.safeParse(stream).success || !/^[1-9][0-9]{0,3}$/u.test(params.attempt))
    return null;
  const found = await access(env, run);
  // Only attempts there were have a log; anything else would make an object for each guess.
  if (found === null || !found.view.jobs.some((one) => one.job === job && attempt <= one.attempt))
    return null;
  const part = await env.LOG.getByName(objectName.log(env.GITHUB_HOST, job, attempt)).read(
    stream,
    from,
  );
  if (part === null) return null;
  const over = part.closed !== null && part.next >= part.closed.size;
  const { text, used } = textOf(part.data, over);
  return {
    view: found.view,
    job,
    attempt,
    stream,
    from,
    next: part.next - part.data.length + used,
    text,
    closed: part.closed,
  };
}

function page(
  context: Context<Env>,
  content: ReturnType<typeof Layout>,
  status: 200 | 404 = 200,
): Response | Promise<Response> {
  return context.html(html`<!doctype html>${content}`, status);
}

function nothing(context: Context<Env>): Response | Promise<Response> {
  return page(
    context,
    <Layout title="Nothing here" banner={context.env.DEMO_BANNER}>
      <h1>There is nothing here</h1>
      <p>What belongs to public repositories is shown to everybody, the rest to nobody.</p>
    </Layout>,
    404,
  );
}

function asset(context: Context<Env>, body: string, type: string): Response {
  return context.body(body, 200, { "content-type": type, "cache-control": "public, max-age=300" });
}

function offset(query: string | undefined): number {
  return query !== undefined && /^[0-9]{1,15}$/u.test(query) ? Number(query) : 0;
}
