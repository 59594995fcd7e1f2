import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { generateAppKey } from "./auth.ts";
import { GitStore } from "./git.ts";
import { renderRepositoryStub } from "./render/repository.ts";
import type { Account, App, Installation, Permissions, Repository } from "./state.ts";
import { commitFiles, importDirectory } from "./trees.ts";
import type { Files } from "./trees.ts";
import type { World } from "./world.ts";

/** What people do on GitHub's own pages: accounts, Apps, installations, repositories. */

export const defaultPermissions: Permissions = {
  metadata: "read",
  checks: "write",
  contents: "write",
  pull_requests: "write",
  issues: "write",
  statuses: "write",
  deployments: "write",
};

export const defaultEvents = [
  "push",
  "create",
  "delete",
  "pull_request",
  "issue_comment",
  "check_run",
  "check_suite",
  "status",
  "merge_group",
  "repository",
];

export function createAccount(
  world: World,
  input: {
    login: string;
    type?: "User" | "Organization" | "Bot";
    id?: number;
    owners?: Account[];
  },
): Account {
  if (world.accountByLogin(input.login))
    throw new Error(`the account ${input.login} exists already`);
  const account: Account = {
    id: input.id ?? world.nextId(),
    login: input.login,
    type: input.type ?? "User",
    ownerIds: new Set((input.owners ?? []).map((one) => one.id)),
  };
  world.accounts.set(account.id, account);
  return account;
}

export interface AppInput {
  owner: Account;
  slug?: string;
  webhookSecret: string;
  hookUrl?: string | null;
  permissions?: Permissions;
  events?: string[];
}

export async function createApp(world: World, input: AppInput): Promise<App> {
  const slug = input.slug ?? "snowcat";
  const id = world.nextId();
  const bot = createAccount(world, { login: `${slug}[bot]`, type: "Bot" });
  const app: App = {
    ...(await generateAppKey()),
    id,
    slug,
    name: slug,
    ownerId: input.owner.id,
    clientId: `Iv23li${randomBytes(7).toString("hex")}`,
    webhookSecret: input.webhookSecret,
    hookUrl: input.hookUrl ?? null,
    hookId: world.nextId(),
    botId: bot.id,
    permissions: input.permissions ?? defaultPermissions,
    events: input.events ?? defaultEvents,
    createdAt: world.stamp(),
  };
  world.apps.set(app.id, app);
  return app;
}

export interface InstallInput {
  repositories?: Repository[] | "all";
  permissions?: Permissions;
  events?: string[];
}

/** Installs and tells the App (`installation.created`). */
export function install(
  world: World,
  app: App,
  account: Account,
  input: InstallInput = {},
): Installation {
  const chosen = input.repositories ?? "all";
  const installation: Installation = {
    id: world.nextId(),
    appId: app.id,
    accountId: account.id,
    repositories: chosen === "all" ? "all" : new Set(chosen.map((repo) => repo.id)),
    permissions: input.permissions ?? app.permissions,
    events: input.events ?? app.events,
    suspendedAt: null,
    createdAt: world.stamp(),
  };
  world.installations.set(installation.id, installation);
  const covered = [...world.repositories.values()].filter((repo) =>
    world.covers(installation, repo),
  );
  world.hooks.emitInstallation(installation, {
    event: "installation",
    action: "created",
    payload: {
      repositories: covered.map((repo) => renderRepositoryStub(world, repo)),
      requester: null,
    },
    sender: account,
  });
  return installation;
}

/** Adds or removes repositories of a "selected" installation and tells the App. */
export function changeInstallation(
  world: World,
  installation: Installation,
  change: { add?: Repository[]; remove?: Repository[] },
): void {
  if (installation.repositories === "all")
    throw new Error(
      `installation ${installation.id} covers all repositories; nothing can be added`,
    );
  const { add = [], remove = [] } = change;
  for (const repo of add) installation.repositories.add(repo.id);
  for (const repo of remove) installation.repositories.delete(repo.id);
  const stubs = (repos: Repository[]) => repos.map((repo) => renderRepositoryStub(world, repo));
  world.hooks.emitInstallation(installation, {
    event: "installation_repositories",
    action: remove.length > 0 ? "removed" : "added",
    payload: {
      repository_selection: "selected",
      repositories_added: stubs(add),
      repositories_removed: stubs(remove),
      requester: null,
    },
    sender: world.account(installation.accountId),
  });
}

/** `deleted`, `suspend` and `unsuspend` of a whole installation. */
export function endInstallation(
  world: World,
  installation: Installation,
  action: "deleted" | "suspend" | "unsuspend",
): void {
  const covered = [...world.repositories.values()].filter((repo) =>
    world.covers(installation, repo),
  );
  installation.suspendedAt = action === "suspend" ? world.stamp() : null;
  const listed =
    action === "deleted"
      ? { repositories: covered.map((repo) => renderRepositoryStub(world, repo)) }
      : {};
  world.hooks.emitInstallation(installation, {
    event: "installation",
    action,
    payload: listed,
    sender: world.account(installation.accountId),
  });
  if (action === "deleted") world.installations.delete(installation.id);
}

export interface RepositoryInput {
  owner: Account;
  name: string;
  private?: boolean;
  /** A folder whose files make the first commit. */
  from?: string;
  /** Or the files themselves. With neither the repository is empty. */
  files?: Files;
  defaultBranch?: string;
}

export async function createRepository(world: World, input: RepositoryInput): Promise<Repository> {
  if (world.findRepository(input.owner.login, input.name))
    throw new Error(`${input.owner.login}/${input.name} exists already`);
  const repo = blank(world, input.owner, input.name, {
    private: input.private === true,
    defaultBranch: input.defaultBranch ?? "main",
    parentId: null,
  });
  await repo.git.init(repo.defaultBranch);
  world.repositories.set(repo.id, repo);
  // The first commit is part of the creation: no event.
  const first = { branch: repo.defaultBranch, author: input.owner, message: "First commit" };
  if (input.from !== undefined) await importDirectory(world, repo, input.from, first);
  else if (input.files) await commitFiles(world, repo, { ...first, files: input.files });
  return repo;
}

export async function fork(
  world: World,
  parent: Repository,
  owner: Account,
  name = parent.name,
): Promise<Repository> {
  const repo = blank(world, owner, name, {
    private: parent.private,
    defaultBranch: parent.defaultBranch,
    parentId: parent.id,
  });
  await repo.git.cloneFrom(parent.git);
  world.repositories.set(repo.id, repo);
  return repo;
}

function blank(
  world: World,
  owner: Account,
  name: string,
  more: Pick<Repository, "private" | "defaultBranch" | "parentId">,
): Repository {
  const id = world.nextId();
  return {
    ...more,
    id,
    name,
    ownerId: owner.id,
    description: null,
    mergeMethods: { merge: true, squash: true, rebase: true },
    deleteBranchOnMerge: false,
    roles: new Map(),
    protections: new Map(),
    labels: [],
    git: new GitStore(join(world.root, `${id}.git`)),
    nextNumber: 1,
    createdAt: world.stamp(),
    pushedAt: world.stamp(),
  };
}
