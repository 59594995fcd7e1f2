import { join } from "node:path";
import { Api, type ApiWeather } from "./github/api.ts";
import { Hooks, type HookWeather } from "./github/hooks.ts";
import { Payloads } from "./github/payloads.ts";
import { Truth } from "./github/truth.ts";
import type { History } from "./history.ts";
import { type Findings, judge } from "./oracle.ts";
import { People } from "./people.ts";
import { Clock } from "./platform/clock.ts";
import { installGlobals } from "./platform/globals.ts";
import { type ObjectClass, Platform } from "./platform/objects.ts";
import { Random } from "./platform/random.ts";
import { blobs, index } from "./platform/services.ts";
import { Runners } from "./runners.ts";

const ROOT = join(import.meta.dirname, "../..");
const HOST = "github.test";
/** 2027-01-15T08:00:00Z */
const BEGIN = 1_800_000_000_000;
const REPOSITORIES = 8;
/** Mean time between two things that people do (ms). */
const PACE = 2_500;
const SWEEP = 120_000;
/** How long things may take to come right once trouble is over (ms). */
const CALM = 2 * 3_600_000;

const STORM: {
  api: ApiWeather;
  hooks: HookWeather;
  abort: number;
  losses: number;
  /** How often, each time people do something, a run's object loses everything. */
  lost: number;
} = {
  api: { limited: 0.004, failing: 0.012, lostBefore: 0.012, lostAfter: 0.012, lag: 3 },
  hooks: { doubled: 0.05, missed: 0.01, delay: 1_500 },
  abort: 0.003,
  losses: 0.02,
  lost: 0.002,
};

export type Played = {
  seed: number;
  deliveries: number;
  doubledDeliveries: number;
  missedDeliveries: number;
  redeliveries: number;
  runs: number;
  requests: number;
  contentRequests: number;
  /** Requests that GitHub refused or whose answer was lost. */
  mistreated: number;
  aborts: number;
  findings: Findings;
};

type WorkerModule = {
  default: {
    fetch: (request: Request, env: object, context: object) => Promise<Response>;
    scheduled: (controller: object, env: object) => Promise<void>;
  };
} & Record<string, unknown>;

export type Input = {
  seed: number;
  deliveries: number;
  bundle: string;
  privateKey: string;
  /** The Worker's own log, to stderr. */
  log: boolean;
};

/** Plays one world: so many deliveries in bad weather, then calm, then what is there is judged. */
export async function play({ seed, deliveries, bundle, privateKey, log }: Input): Promise<Played> {
  const random = new Random(seed);
  const clock = new Clock(BEGIN);
  const truth = new Truth(seed);
  const secret = random.hex(32);
  const runners = new Runners(clock, new Random(seed + 1), truth, HOST);
  runners.losses = STORM.losses;
  const bound: { worker: WorkerModule | null; env: object } = { worker: null, env: {} };
  const hooks = new Hooks(clock, new Random(seed + 2), secret, { ...STORM.hooks }, (request) => {
    if (bound.worker === null) throw new Error("there is no Worker yet");
    return bound.worker.default.fetch(request, bound.env, { waitUntil() {} });
  });
  const api = new Api(clock, new Random(seed + 3), truth, hooks, { ...STORM.api });
  installGlobals(clock, new Random(seed + 4), (request) => api.ask(request));
  for (const level of ["log", "info", "warn", "error"] as const)
    console[level] = (...words: unknown[]) => {
      if (log) process.stderr.write(`${clock.now.toFixed(1)} ${words.map(String).join(" ")}\n`);
    };
  // After the globals: the Worker's modules take what they need from them.
  const worker = (await import(bundle)) as WorkerModule;
  const classes = {
    ACCOUNT: worker["Account"],
    REPO: worker["Repo"],
    RUN: worker["Run"],
    WRITER: worker["Writer"],
    FLEET: runners.fleet(),
  } as Record<string, ObjectClass>;
  const variables = {
    GITHUB_HOST: HOST,
    GITHUB_API_URL: "https://api.github.test",
    GITHUB_APP_ID: String(truth.app),
    GITHUB_APP_PRIVATE_KEY: privateKey,
    GITHUB_WEBHOOK_SECRET: secret,
    OPERATOR_SECRET: "0".repeat(32),
    SPECIFICATION_KEY: "",
    ATTEMPT_KEY: "",
    ALLOWED_ACCOUNTS: String(truth.owner.id),
    PUBLIC_URL: "https://snowcat.test",
    INDEX: index(ROOT, clock, new Random(seed + 5)),
    BLOBS: blobs(clock, new Random(seed + 6)),
  };
  const weather = { abort: STORM.abort };
  const platform = new Platform(clock, new Random(seed + 7), classes, weather, (self) => ({
    ...variables,
    ...Object.fromEntries(Object.keys(classes).map((name) => [name, self.namespace(name)])),
  }));
  runners.platform = platform;
  bound.worker = worker;
  bound.env = platform.environment();
  const people = new People(clock, random, truth, hooks, new Payloads(truth));
  api.onCheck = (check, action) => people.checked(check, action);
  const sweep = (): void => {
    // Parts that failed are tried again by the next one.
    worker.default.scheduled({ scheduledTime: clock.now }, bound.env).catch(() => {});
    clock.after(SWEEP, sweep);
  };

  for (let n = 0; n < REPOSITORIES; n += 1) people.found(500 + n);
  people.install();
  sweep();
  while (hooks.made < deliveries) {
    people.act();
    if (random.chance(STORM.lost)) loseRun(random, truth, people.history, platform, runners);
    await clock.runUntil(clock.now + random.pause(PACE));
  }
  platform.weather = { abort: 0 };
  runners.losses = 0;
  Object.assign(api.weather, { limited: 0, failing: 0, lostBefore: 0, lostAfter: 0 });
  Object.assign(hooks.weather, { doubled: 0, missed: 0 });
  await clock.runUntil(clock.now + CALM);

  const findings = judge({ truth, history: people.history, api, hooks, platform });
  const runs = platform.all("RUN").length;
  platform.close();
  return {
    seed,
    deliveries: hooks.made,
    doubledDeliveries: hooks.doubled,
    missedDeliveries: hooks.attempts.filter(({ status }) => status !== 202).length,
    redeliveries: hooks.redelivered,
    runs,
    requests: api.requests.all,
    contentRequests: api.requests.content,
    mistreated: api.requests.mistreated,
    aborts: platform.aborted,
    findings,
  };
}

/** Of a run whose check turns nothing is there any more. */
function loseRun(
  random: Random,
  truth: Truth,
  history: History,
  platform: Platform,
  runners: Runners,
): void {
  const turning = truth.checks.filter(
    ({ name, status }) => name === "snowcat" && status !== "completed",
  );
  if (turning.length === 0) return;
  const { externalId, repository, head } = random.pick(turning);
  const run = externalId.split(":")[1] ?? "";
  const actor = platform.all("RUN").find(({ name }) => name.endsWith(`/run/${run}`));
  if (actor === undefined) return;
  platform.lose(actor);
  runners.lostRuns.add(run);
  history.cancel(repository, head);
}
