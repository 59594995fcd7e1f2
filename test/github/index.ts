import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  changeInstallation,
  createAccount,
  createApp,
  createRepository,
  endInstallation,
  fork,
  install,
} from "./admin.ts";
import type { AppInput, InstallInput, RepositoryInput } from "./admin.ts";
import { Grants } from "./auth.ts";
import { cloneOf } from "./clone.ts";
import type { Clone } from "./clone.ts";
import { Hooks } from "./events.ts";
import { Faults } from "./faults.ts";
import type { FaultHandle, FaultOptions } from "./faults.ts";
import { RateLimits } from "./limits.ts";
import { computeMergeability } from "./merging.ts";
import { enqueue } from "./merge-queue.ts";
import type { MergeGroup } from "./merge-queue.ts";
import { refsMoved } from "./pushes.ts";
import { cloneUrl } from "./render/repository.ts";
import { addComment, deleteComment, editComment } from "./resources/comments.ts";
import { handlers } from "./resources/index.ts";
import { openPull } from "./resources/pulls.ts";
import { createGitHubServer } from "./server.ts";
import type {
  Account,
  App,
  CheckRun,
  Comment,
  Delivery,
  Installation,
  LedgerEntry,
  PullRequest,
  Repository,
  RequiredCheck,
  Role,
} from "./state.ts";
import { statsOf } from "./stats.ts";
import type { RequestRecord, Stats } from "./stats.ts";
import { emitCheckRun } from "./suites.ts";
import { commitFiles } from "./trees.ts";
import type { Files } from "./trees.ts";
import { World } from "./world.ts";

export type {
  Account,
  App,
  CheckRun,
  Comment,
  Delivery,
  Installation,
  LedgerEntry,
  PullRequest,
  Repository,
  Role,
} from "./state.ts";
export type { FaultHandle, FaultOptions } from "./faults.ts";
export type { RequestRecord, Stats } from "./stats.ts";
export type { Clone } from "./clone.ts";
export type { MergeGroup } from "./merge-queue.ts";
export type { Files } from "./trees.ts";

export interface GitHubOptions {
  /** Milliseconds since the epoch; default Date.now. */
  now?: () => number;
  /** New check runs and comments appear in lists only after this many further requests; default 0. */
  listLag?: number;
  /** How many GETs of a pull request answer `mergeable: null` first; default 1, Infinity: the answer never comes. */
  mergeablePolls?: number;
  /** Enforce the secondary limits (80 contents and 900 points a minute …); default false, they are only counted. */
  enforceSecondaryLimits?: boolean;
  /** Requests per token and hour; default 5,000, as for an installation on GitHub. */
  hourlyQuota?: number;
  port?: number;
}

export interface GitHub {
  /** API root, octokit's `baseUrl`; GraphQL below it at /graphql. */
  readonly url: string;
  /** Git address without "/<owner>/<repo>.git". */
  readonly gitUrl: string;
  /** `owners` are the people who administer an organization. */
  createAccount(input: {
    login: string;
    type?: "User" | "Organization" | "Bot";
    id?: number;
    owners?: Account[];
  }): Account;
  createUserToken(login: string): string;
  createApp(input: AppInput): Promise<App>;
  setHook(app: App, hook: { url: string | null; secret?: string }): void;
  install(app: App, account: Account, input?: InstallInput): Installation;
  changeInstallation(
    installation: Installation,
    change: { add?: Repository[]; remove?: Repository[] },
  ): void;
  endInstallation(installation: Installation, action: "deleted" | "suspend" | "unsuspend"): void;
  createRepository(input: RepositoryInput): Promise<Repository>;
  fork(repo: Repository, owner: Account, name?: string): Promise<Repository>;
  setRole(repo: Repository, login: string, role: Role): void;
  /** A team of an organization, by its slug; replaces what it was. */
  setTeam(
    organization: Account,
    slug: string,
    members: { account: Account; state?: "active" | "pending" }[],
  ): void;
  /** Required checks of a branch, for admins too; a plain name accepts any App. An empty list lifts the protection. */
  protect(
    repo: Repository,
    branch: string,
    contexts: (string | RequiredCheck)[],
    options?: { strict?: boolean; enforceAdmins?: boolean },
  ): void;
  cloneUrl(repo: Repository): string;
  /** Writes a commit and moves the branch as a push by that user would, with all its events. */
  commit(
    repo: Repository,
    input: { branch?: string; files?: Files; message?: string; as: Account; parent?: string },
  ): Promise<string>;
  /** Moves or deletes (null) a branch as a (forced) push would. */
  moveBranch(repo: Repository, branch: string, sha: string | null, as: Account): Promise<void>;
  /** A working clone in a temporary folder; pushes travel over HTTP with the user's token. */
  clone(repo: Repository, as: Account): Promise<Clone>;
  openPullRequest(
    as: Account,
    repo: Repository,
    input: { title?: string; head: string; base?: string; body?: string; draft?: boolean },
  ): Promise<PullRequest>;
  pullRequest(repo: Repository, number: number): PullRequest;
  /** Computes mergeability now, as GitHub's background job would. The merge commit, or null on a conflict. */
  computeMergeability(repo: Repository, number: number): Promise<string | null>;
  /** Puts it in the merge queue (`merge_group.checks_requested`); `conclude` merges it or throws it out. */
  enqueue(as: Account, repo: Repository, number: number): Promise<MergeGroup>;
  comment(as: Account, repo: Repository, number: number, body: string): Comment;
  editComment(as: Account, repo: Repository, comment: Comment, body: string): void;
  deleteComment(as: Account, repo: Repository, comment: Comment): void;
  comments(repo: Repository, number: number): Comment[];
  /** Every check run of a commit, in order of creation, whatever lists show. */
  checkRuns(repo: Repository, sha?: string): CheckRun[];
  /** Presses one of a check run's buttons (`check_run.requested_action`). */
  requestAction(as: Account, run: CheckRun, identifier: string): void;
  /** "Re-run" of one check (`check_run.rerequested`). */
  rerequest(as: Account, run: CheckRun): void;
  /** Reactions to a comment, oldest first: whose, and which. */
  reactions(comment: Comment): { login: string; content: string }[];
  deliveries(): readonly Delivery[];
  redeliver(guid: string): Delivery;
  hold: Hooks["hold"];
  /** Resolves when every delivery has been answered. */
  settled(): Promise<void>;
  setListLag(requests: number): void;
  setMergeablePolls(polls: number): void;
  /** Every answer of the API and of git comes so much later (ms), as over a distance; 0: at once. */
  setLatency(milliseconds: number): void;
  fault(options: FaultOptions): FaultHandle;
  requests(): readonly RequestRecord[];
  /** Counts since the start or the last reset; `actor` narrows to one kind of token. */
  stats(actor?: RequestRecord["actor"]): Stats;
  resetStats(): void;
  /**
   * What GitHub would not have taken from Apps, and what the double itself got wrong. People may send what they like:
   * `"everyone"` lists that too.
   */
  ledger(about?: "apps" | "everyone"): readonly LedgerEntry[];
  /** For tests that provoke an entry on purpose: returns the entries and forgets them. */
  takeLedger(): LedgerEntry[];
  close(): Promise<void>;
}

export async function startGitHub(options: GitHubOptions = {}): Promise<GitHub> {
  const now = options.now ?? Date.now;
  const root = await mkdtemp(join(tmpdir(), "github-double-"));
  const world = new World({ now, root });
  world.listLag = options.listLag ?? 0;
  world.mergeablePolls = options.mergeablePolls ?? 1;
  const hooks = new Hooks(world);
  world.wire({ grants: new Grants(world), hooks });
  const faults = new Faults();
  const records: RequestRecord[] = [];
  const limits = new RateLimits({
    now,
    enforceSecondary: options.enforceSecondaryLimits === true,
    perHour: options.hourlyQuota,
  });
  const server = createGitHubServer({ world, handlers, faults, limits, records });
  // Idle connections stay: one closed just when a client reuses it would look like a lost answer.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  world.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const pullRequest = (repo: Repository, number: number): PullRequest => world.pull(repo, number);

  return {
    url: world.url,
    gitUrl: `${world.url}/git`,
    createAccount: (input) => createAccount(world, input),
    createUserToken: (login) => {
      const account = world.accountByLogin(login);
      if (!account) throw new Error(`no account ${login}`);
      return world.grants.issueUserToken(account);
    },
    createApp: (input) => createApp(world, input),
    setHook: (app, hook) => {
      app.hookUrl = hook.url;
      app.webhookSecret = hook.secret ?? app.webhookSecret;
    },
    install: (app, account, input) => install(world, app, account, input),
    changeInstallation: (installation, change) => changeInstallation(world, installation, change),
    endInstallation: (installation, action) => endInstallation(world, installation, action),
    createRepository: (input) => createRepository(world, input),
    fork: (repo, owner, name) => fork(world, repo, owner, name),
    setRole: (repo, login, role) => {
      const account = world.accountByLogin(login);
      if (!account) throw new Error(`no account ${login}`);
      if (role === "none") repo.roles.delete(account.id);
      else repo.roles.set(account.id, role);
    },
    setTeam: (organization, slug, members) => {
      const people = members.map(({ account, state }) => [account.id, state ?? "active"] as const);
      world.teams.set(`${organization.id}/${slug}`, new Map(people));
    },
    protect: (repo, branch, contexts, more) => {
      const checks = contexts.map((one) =>
        typeof one === "string" ? { context: one, appId: null } : one,
      );
      if (checks.length === 0) repo.protections.delete(branch);
      else
        repo.protections.set(branch, {
          checks,
          strict: more?.strict === true,
          enforceAdmins: more?.enforceAdmins ?? true,
          linear: false,
          allowForcePushes: false,
          allowDeletions: false,
        });
    },
    cloneUrl: (repo) => cloneUrl(world, repo),
    commit: (repo, { as, branch = repo.defaultBranch, ...rest }) =>
      repo.git.exclusively(async () => {
        const update = await commitFiles(world, repo, { ...rest, branch, author: as });
        await refsMoved(world, repo, [update], as);
        return update.after;
      }),
    moveBranch: (repo, branch, sha, as) =>
      repo.git.exclusively(async () => {
        const ref = `refs/heads/${branch}`;
        const update = {
          ref,
          before: (await repo.git.commitOf(ref)) ?? "0".repeat(40),
          after: sha ?? "0".repeat(40),
        };
        if (!(await repo.git.moveRef(update)))
          throw new Error(`${ref} could not be moved to ${update.after}`);
        await refsMoved(world, repo, [update], as);
      }),
    clone: (repo, as) => cloneOf(world, repo, as),
    openPullRequest: (as, repo, { title, base, ...rest }) =>
      repo.git.exclusively(() =>
        openPull(
          world,
          repo,
          { ...rest, title: title ?? rest.head, base: base ?? repo.defaultBranch },
          as,
        ),
      ),
    pullRequest,
    computeMergeability: (repo, number) =>
      repo.git.exclusively(() => computeMergeability(world, repo, pullRequest(repo, number))),
    enqueue: (as, repo, number) =>
      repo.git.exclusively(() => enqueue(world, repo, pullRequest(repo, number), as)),
    comment: (as, repo, number, body) => addComment(world, repo, number, as, body),
    editComment: (as, repo, comment, body) => editComment(world, repo, comment, as, body),
    deleteComment: (as, repo, comment) => deleteComment(world, repo, comment, as),
    comments: (repo, number) =>
      [...world.comments.values()].filter(
        (one) => one.repoId === repo.id && one.issueNumber === number,
      ),
    checkRuns: (repo, sha) =>
      [...world.checkRuns.values()].filter(
        (run) => run.repoId === repo.id && (sha === undefined || run.headSha === sha),
      ),
    requestAction: (as, run, identifier) => {
      if (!run.actions.some((action) => action.identifier === identifier))
        throw new Error(`check run ${run.name} has no button "${identifier}"`);
      emitCheckRun(world, run, "requested_action", as, { requested_action: { identifier } });
    },
    rerequest: (as, run) => emitCheckRun(world, run, "rerequested", as),
    reactions: (comment) =>
      [...world.reactions.values()]
        .filter((one) => one.subjectId === comment.id)
        .map(({ userId, content }) => ({ login: world.account(userId).login, content })),
    deliveries: () => world.deliveries,
    redeliver: (guid) => {
      const delivery = world.deliveries.find((one) => one.guid === guid);
      if (!delivery) throw new Error(`no delivery ${guid}`);
      return hooks.redeliver(delivery);
    },
    hold: () => hooks.hold(),
    settled: () => hooks.settled(),
    setListLag: (requests) => {
      world.listLag = requests;
    },
    setMergeablePolls: (polls) => {
      world.mergeablePolls = polls;
    },
    setLatency: (milliseconds) => {
      world.latency = milliseconds;
    },
    fault: (fault) => faults.add(fault),
    requests: () => records,
    stats: (actor) => statsOf(records.filter((one) => actor === undefined || one.actor === actor)),
    resetStats: () => {
      records.length = 0;
    },
    ledger: (about = "apps") =>
      about === "everyone" ? world.ledger : world.ledger.filter(concernsApps),
    takeLedger: () => world.ledger.splice(0).filter(concernsApps),
    close: async () => {
      await hooks.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

const concernsApps = ({ actor }: LedgerEntry): boolean => actor !== "user" && actor !== "anonymous";
