import { createServer } from "node:http";
import type { IncomingHttpHeaders, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAppAuth } from "@octokit/auth-app";
import { Octokit } from "@octokit/rest";
import { startGitHub } from "./index.ts";
import type { Account, App, GitHub, GitHubOptions, Installation, Repository } from "./index.ts";
import type { Permissions } from "./state.ts";

/** One double with an App installed on one repository, a receiver of webhooks, and octokit clients; for the double's own tests. */

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  event: string;
  payload: Record<string, unknown>;
}

export interface Fixture {
  github: GitHub;
  owner: Account;
  outsider: Account;
  app: App;
  installation: Installation;
  repo: Repository;
  /** As the installation. */
  bot: Octokit;
  /** As the App, by its JSON web token. */
  asApp: Octokit;
  as(account: Account): Octokit;
  received: Received[];
  close(): Promise<void>;
}

/** An octokit that says nothing and never retries. */
export function client(github: GitHub, options: Record<string, unknown>): Octokit {
  const quiet = (): void => {};
  return new Octokit({
    baseUrl: github.url,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    ...options,
  });
}

export async function startFixture(
  options: GitHubOptions & { permissions?: Permissions; events?: string[]; private?: boolean } = {},
): Promise<Fixture> {
  const github = await startGitHub(options);
  const received: Received[] = [];
  const receiver = await listen(received);
  const owner = github.createAccount({ login: "octo" });
  const outsider = github.createAccount({ login: "passer-by" });
  const app = await github.createApp({
    owner,
    webhookSecret: "a secret made for this test",
    hookUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/webhook`,
    ...(options.events ? { events: options.events } : {}),
    ...(options.permissions ? { permissions: options.permissions } : {}),
  });
  const repo = await github.createRepository({
    owner,
    name: "flake",
    private: options.private === true,
    files: {
      "flake.nix": "{ outputs = _: { }; }\n",
      "nix/module.nix": "{ }\n",
      "README.md": "# flake\n",
    },
  });
  const installation = github.install(app, owner);
  const auth = { appId: app.id, privateKey: app.privateKeyPem };
  return {
    github,
    owner,
    outsider,
    app,
    installation,
    repo,
    received,
    bot: client(github, {
      authStrategy: createAppAuth,
      auth: { ...auth, installationId: installation.id },
    }),
    asApp: client(github, { authStrategy: createAppAuth, auth }),
    as: (account) => client(github, { auth: github.createUserToken(account.login) }),
    close: async () => {
      await github.close();
      receiver.closeAllConnections();
      await new Promise((resolve) => receiver.close(resolve));
    },
  };
}

async function listen(received: Received[]): Promise<Server> {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => (body += bytes.toString()));
    request.on("end", () => {
      received.push({
        headers: request.headers,
        body,
        event: String(request.headers["x-github-event"]),
        payload: JSON.parse(body) as Record<string, unknown>,
      });
      response.writeHead(202).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** The HTTP status a call is refused with; throws when it is not refused. */
export async function refusal(
  work: Promise<unknown>,
): Promise<{ status: number; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error && "status" in error && typeof error.status === "number")
      return { status: error.status, message: error.message };
    throw error;
  }
  throw new Error("the call was answered, a refusal was expected");
}
