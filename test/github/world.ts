import { notFound } from "./answer.ts";
import type {
  Account,
  App,
  CheckRun,
  CheckSuite,
  Comment,
  CommitStatus,
  Delivery,
  Deployment,
  Installation,
  Issue,
  LedgerEntry,
  PullRequest,
  Reaction,
  Repository,
  Role,
} from "./state.ts";
import type { Grants } from "./auth.ts";
import type { Hooks } from "./events.ts";

export interface WaitingGroup {
  pullId: number;
  /** Its checks have changed: it merges, leaves, or goes on waiting. */
  checked(): Promise<void>;
  /** Takes it out; call inside the repository's turn. */
  remove(): Promise<void>;
}

/** Everything the double remembers, with the look-ups that every resource shares. */
export class World {
  readonly accounts = new Map<number, Account>();
  readonly apps = new Map<number, App>();
  readonly installations = new Map<number, Installation>();
  readonly repositories = new Map<number, Repository>();
  readonly issues = new Map<number, Issue>();
  readonly comments = new Map<number, Comment>();
  readonly reactions = new Map<number, Reaction>();
  readonly checkRuns = new Map<number, CheckRun>();
  readonly checkSuites = new Map<number, CheckSuite>();
  /** Accepted as soon as they are made: id → whom. */
  readonly invitations = new Map<number, number>();
  /** By `<organization's id>/<slug>`: its people. */
  readonly teams = new Map<string, Map<number, "active" | "pending">>();
  readonly statuses: CommitStatus[] = [];
  readonly deployments = new Map<number, Deployment>();
  readonly deliveries: Delivery[] = [];
  readonly ledger: LedgerEntry[] = [];
  readonly now: () => number;
  /** Directory of the bare repositories, one `<id>.git` each. */
  readonly root: string;
  /** Base address, set once the server listens; without a trailing slash. */
  url = "";
  /** How many REST requests were received; the clock of lists that lag. */
  requests = 0;
  /** New check runs and comments appear in lists only after this many further requests. */
  listLag = 0;
  /** How long every answer, of the API and of git, keeps its caller waiting (ms). */
  latency = 0;
  /** How many GETs of a pull request answer `mergeable: null` before the answer is there. */
  mergeablePolls = 1;
  /** Merge groups that wait for their checks, by "<repository> <head>". */
  readonly mergeGroups = new Map<string, WaitingGroup>();
  #lastId = 41_000_000;
  #grants: Grants | undefined;
  #hooks: Hooks | undefined;

  constructor(options: { now: () => number; root: string }) {
    this.now = options.now;
    this.root = options.root;
  }

  wire(parts: { grants: Grants; hooks: Hooks }): void {
    this.#grants = parts.grants;
    this.#hooks = parts.hooks;
  }

  get grants(): Grants {
    if (!this.#grants) throw new Error("the world is not wired yet: no grants");
    return this.#grants;
  }

  get hooks(): Hooks {
    if (!this.#hooks) throw new Error("the world is not wired yet: no hooks");
    return this.#hooks;
  }

  nextId(): number {
    // Gaps, so that no client can get by on guessing the next id.
    this.#lastId += 7;
    return this.#lastId;
  }

  /** ISO 8601 in whole seconds, as GitHub writes it. */
  stamp(at: number = this.now()): string {
    return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
  }

  account(id: number): Account {
    return must(this.accounts.get(id), `account ${id}`);
  }

  accountByLogin(login: string): Account | undefined {
    const wanted = login.toLowerCase();
    return [...this.accounts.values()].find((account) => account.login.toLowerCase() === wanted);
  }

  app(id: number): App {
    return must(this.apps.get(id), `app ${id}`);
  }

  repository(id: number): Repository {
    return must(this.repositories.get(id), `repository ${id}`);
  }

  fullName(repo: Repository): string {
    return `${this.account(repo.ownerId).login}/${repo.name}`;
  }

  findRepository(owner: string, name: string): Repository | undefined {
    const wanted = `${owner}/${name}`.toLowerCase();
    return [...this.repositories.values()].find(
      (repo) => this.fullName(repo).toLowerCase() === wanted,
    );
  }

  /** Names that repositories had, in lower case, and whose they were last. */
  readonly formerly = new Map<string, number>();

  issue(repo: Repository, number: number): Issue {
    const found = this.issuesOf(repo).find((issue) => issue.number === number);
    if (!found) throw notFound();
    return found;
  }

  issuesOf(repo: Repository): Issue[] {
    return [...this.issues.values()].filter((issue) => issue.repoId === repo.id);
  }

  pull(repo: Repository, number: number): PullRequest {
    const issue = this.issue(repo, number);
    if (!isPull(issue)) throw notFound();
    return issue;
  }

  pullsOf(repo: Repository): PullRequest[] {
    return this.issuesOf(repo).filter(isPull);
  }

  /** Whether it is the account itself, or an organization this person owns. */
  owns(person: Account, owner: Account): boolean {
    return person.id === owner.id || owner.ownerIds.has(person.id);
  }

  roleOf(account: Account, repo: Repository): Role {
    if (this.owns(account, this.account(repo.ownerId))) return "admin";
    return repo.roles.get(account.id) ?? (repo.private ? "none" : "read");
  }

  covers(installation: Installation, repo: Repository): boolean {
    if (installation.repositories === "all") return repo.ownerId === installation.accountId;
    return installation.repositories.has(repo.id);
  }

  installationsOn(repo: Repository): Installation[] {
    return [...this.installations.values()].filter(
      (one) => !one.suspendedAt && this.covers(one, repo),
    );
  }

  /** Whether a list may show what was born at that request count. */
  listed(item: { bornAt: number }): boolean {
    return this.requests - item.bornAt > this.listLag;
  }

  /** Call after a check run or status of the commit has changed. */
  async checksChanged(repoId: number, sha: string): Promise<void> {
    await this.mergeGroups.get(`${repoId} ${sha}`)?.checked();
  }

  record(entry: LedgerEntry): void {
    this.ledger.push(entry);
  }
}

export function isPull(issue: Issue): issue is PullRequest {
  return issue.pull !== null;
}

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the double has no ${what}`);
  return value;
}
