import { randomBytes } from "node:crypto";
import { CodeReply } from "../../src/protocol/enrolment.ts";
import type { Pool } from "../../src/protocol/identifiers.ts";
import {
  startGitHub,
  type Account,
  type App,
  type GitHub,
  type GitHubOptions,
  type Installation,
} from "../github/index.ts";
import type { NixInstall } from "./nix-versions.ts";
import { type MoreConfiguration, startRunner, type RunningRunner } from "./runner.ts";
import { startWorker, type RunningWorker, type WorkerInput } from "./worker.ts";

/** The whole of Snowcat as a person would run it, with the double in GitHub's place. */
export type Stack = {
  github: GitHub;
  app: App;
  installation: Installation;
  accounts: { owner: Account; stranger: Account };
  tokens: { write: string; none: string };
  worker: RunningWorker;
  runner: RunningRunner;
  webhookSecret: string;
  /** A further runner, of its own store. */
  addRunner(options: AddRunner): Promise<RunningRunner>;
  /** Jobs that runners took for a repository, in order. */
  jobs(repository: number): Promise<{ job: string; kind: string }[]>;
  /** What all runners said on standard error. */
  lines(): string[];
  /** The account's runners as the operator sees them: online, draining, used. */
  runners(): Promise<unknown>;
  /** What else is to be ended with it: the last that was asked for first. */
  atEnd(end: () => Promise<void>): void;
  stop(): Promise<void>;
};

export type AddRunner = {
  name: string;
  pool: Pool;
  url?: string;
  redactFiles?: string[];
  configuration?: MoreConfiguration;
};

export type StackOptions = {
  github?: GitHubOptions;
  /** Parallel attempts of the runner; default 2, so that building starts while evaluation goes on. */
  slots?: number;
  variables?: Record<string, string>;
  /** The runners' Nix; what SNOWCAT_NIX names unless given, else the machine's own. */
  nix?: NixInstall;
  /** Files whose lines the runner must not show. */
  redactFiles?: string[];
  /** What stands around the Worker, and whether it can be looked into. */
  worker?: Pick<WorkerInput, "around" | "inspect">;
  /** Of the first runner. */
  configuration?: MoreConfiguration;
  /** By which address the runner reaches the Worker, such as a proxy's before it. */
  through?: (workerUrl: string) => Promise<string>;
};

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  /** What has been started, to be ended in reverse order; also when a later step fails. */
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of started.splice(0).toReversed()) await end();
  };
  try {
    return await start(options, started, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: StackOptions,
  started: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const github = await startGitHub(options.github);
  started.push(() => github.close());
  const owner = github.createAccount({ login: "acme" });
  const stranger = github.createAccount({ login: "stranger" });
  const webhookSecret = randomBytes(24).toString("hex");
  const app = await github.createApp({ owner, webhookSecret });
  const worker = await startWorker({
    github: { url: github.url, appId: app.id, privateKeyPem: app.privateKeyPem, webhookSecret },
    allowedAccounts: [owner.id],
    ...options.worker,
    ...(options.variables === undefined ? {} : { variables: options.variables }),
  });
  started.push(() => worker.stop());
  github.setHook(app, { url: `${worker.url}/github/webhook` });
  const installation = github.install(app, owner);
  const runners: RunningRunner[] = [];
  const addRunner = async ({
    name,
    pool,
    url = worker.url,
    redactFiles = [],
    configuration,
  }: AddRunner) => {
    const code = await enrolmentCode(worker, {
      account: owner.id,
      pool,
      class: name,
      repositories: null,
    });
    const runner = await startRunner({
      url,
      name,
      code,
      slots: options.slots ?? 2,
      egress: [new URL(github.url).host],
      redactFiles,
      ...(configuration === undefined ? {} : { configuration }),
      ...(options.nix === undefined ? {} : { nix: options.nix }),
    });
    runners.push(runner);
    started.push(() => runner.stop());
    return runner;
  };
  const runner = await addRunner({
    name: "trusted",
    pool: "trusted",
    url: (await options.through?.(worker.url)) ?? worker.url,
    redactFiles: options.redactFiles ?? [],
    ...(options.configuration === undefined ? {} : { configuration: options.configuration }),
  });
  return {
    github,
    app,
    installation,
    worker,
    runner,
    webhookSecret,
    addRunner,
    accounts: { owner, stranger },
    tokens: {
      write: github.createUserToken(owner.login),
      none: github.createUserToken(stranger.login),
    },
    jobs: async (repository) =>
      runners.flatMap((one) => one.jobs()).filter(({ job }) => job.startsWith(`${repository}-`)),
    lines: () => runners.flatMap((one) => one.lines),
    runners: async () => {
      const response = await fetch(`${worker.url}/operator/accounts/${owner.id}/runners`, {
        headers: { authorization: `Bearer ${worker.operatorSecret}` },
      });
      return await response.json();
    },
    atEnd: (end) => void started.push(end),
    stop,
  };
}

/** Mints a code as the operator does. */
export async function enrolmentCode(
  worker: Pick<RunningWorker, "url" | "operatorSecret">,
  request: object,
): Promise<string> {
  const response = await fetch(`${worker.url}/operator/codes`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${worker.operatorSecret}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(request),
  });
  if (!response.ok)
    throw new Error(`no enrolment code: ${response.status} ${await response.text()}`);
  return CodeReply.parse(await response.json()).code;
}
