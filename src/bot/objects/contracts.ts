import type { Flake, LogPlace } from "../../core/flakiness/index.ts";
import type { Impact } from "../../core/impact/index.ts";
import type { RepositoryIdentity, RunReason, RunRequest } from "../../core/repo/request.ts";
import type { PullAbout } from "../../core/repo/rows.ts";
import type { AuditRow, Refused } from "./audit.ts";
import type { DesiredCheck, DesiredWord } from "./desired.ts";
import type {
  BuiltSystem,
  FleetView,
  KnownMachine,
  MachineTurn,
  Standing,
  StandingOf,
} from "./machines.ts";
import type { HeldJob, QueuedJob, RunnerClass } from "./queued.ts";
import type { DeliveryAttempt, Walk } from "../../core/sweep/missed.ts";
import type { Closing } from "../../core/sweep/orphans.ts";
import type { Pool, RunId } from "../../protocol/identifiers.ts";
import type { JobKind } from "../../protocol/specification.ts";
import type { Provenance } from "../../protocol/provenance.ts";
import type { Verdict } from "../../protocol/verdict.ts";

/**
 * What the objects say to each other (RPC). Each call carries the identity it speaks for, and the callee checks it
 * against its own. Every call may be repeated: the callee's effect happens once.
 */

export type { RepositoryIdentity, RunReason, RunRequest };
export type {
  DesiredCheck,
  DesiredComment,
  DesiredDeployment,
  DesiredIssue,
  DesiredReaction,
  DesiredWord,
} from "./desired.ts";
export { COMMENT } from "./desired.ts";

export type * from "./audit.ts";
export type * from "./machines.ts";
export type * from "./queued.ts";

/** Every object has it: puts a lost alarm back, and answers the version of its schema. Health and sweeps call it. */
export interface Wakeable {
  wake(): Promise<{ version: number }>;
}

/** One webhook POST, verified. `body` is the exact bytes. */
export type Delivery = {
  id: string;
  event: string;
  receivedAt: number;
  body: Uint8Array;
  allowed: boolean;
};
export type Accepted = { outcome: "stored" | "known" };

/**
 * Default branch's configuration text as last read, and the commit it was read at. Null text: no file. `problem`: what is
 * there is no file that can be read.
 */
export type PolicySource = { text: string | null; commit: string; problem?: string };

export type RememberedVerdict = {
  drv: string;
  verdict: Verdict;
  run: RunId;
  at: number;
  seconds: number;
  /** Who built it, signed; null for a failure. */
  provenance: Provenance | null;
  /** Where its build is told of; null where nothing was printed. */
  log: LogPlace | null;
};
/** As a run tells it: with the name of its attribute, as Nix spells it. */
export type JudgedVerdict = RememberedVerdict & { attribute: string };
/** As it is told to a run: with what is known of its flakiness. */
export type RecalledVerdict = RememberedVerdict & { flake: Flake | null };
/** A commit's evaluation: its attributes and their derivations are in the blob, which the Repo removes in time. */
export type RememberedEvaluation = { sha: string; pool: Pool; blob: string };
/** A whole judged tree: key is a digest of repository, pool, tree, resolved selection and evaluator generation. */
export type RememberedTree = { key: string; run: RunId; at: number };

/** Parts of the sticky comment that runs write; the commands' part is the Repo's own. */
export const RUN_SECTIONS = ["impact", "notices", "krops", "plan"] as const;
export type RunSection = (typeof RUN_SECTIONS)[number];

export interface RepoContract extends Wakeable {
  /** Ingress: commits the delivery, then answers. */
  accept(delivery: Delivery): Promise<Accepted>;
  /** How many deliveries could not be handled and are set aside with their error. */
  setAside(): Promise<number>;
  /** The App was taken off the repository. Of an installation that the repository does not have any more: nothing. */
  left(installation: number, why: string): Promise<void>;
  /** The default branch's configuration; kept until the branch moves. */
  policy(identity: RepositoryIdentity): Promise<Read<PolicySource>>;
  /** Verdicts known for these derivations within the pool; at most 1,000 a call. */
  recall(pool: Pool, drvs: string[]): Promise<RecalledVerdict[]>;
  /** Answers which of them are flaky, and which fail where their attribute was flaky of late. */
  remember(pool: Pool, verdicts: JudgedVerdict[]): Promise<Flake[]>;
  recallTree(key: string): Promise<RememberedTree | null>;
  rememberTree(tree: RememberedTree): Promise<void>;
  /** What a branch's commit evaluated to, in a blob; for runs of the same or a lower trust. */
  recallEvaluation(sha: string, pool: Pool): Promise<{ blob: string } | null>;
  rememberEvaluation(evaluation: RememberedEvaluation): Promise<void>;
  /**
   * The run is over; the newest runs are listed for pages and for the rebuilt index. `systems`: what it built, or planned,
   * for machines of the default branch.
   */
  finished(run: RunId, conclusion: string, systems?: BuiltSystem[]): Promise<void>;
  /** The repository's machines, as their objects have them; null where no runner names one. */
  fleet(): Promise<FleetView | null>;
  /**
   * A run's section of its pull request's sticky comment; null takes it away. A newer run's stands, and what is already
   * said changes nothing. Runs without a pull request have none.
   */
  section(run: RunId, section: RunSection, markdown: string | null): Promise<void>;
  /** Newest first: every command, what was decided and why. */
  audit(before: number | null, limit: number): Promise<AuditRow[]>;
  runs(limit: number): Promise<RunId[]>;
  /** Runs that are not over, as far as the Repo was told. */
  active(): Promise<RunId[]>;
  /** Of those, the ones that began before (Unix time, ms) and that nothing is on its way to. */
  begun(before: number): Promise<RunId[]>;
}

/** What the account's object is told of its repositories, and tells the sweeps and the index. */
export type KnownRepository = { id: number; owner: string; name: string; private: boolean };
export interface AccountContract extends Wakeable {
  /** Ingress: deliveries without a repository, and (object 0) what is not served. */
  accept(delivery: Delivery): Promise<Accepted>;
  /** How many deliveries could not be handled and are set aside with their error. */
  setAside(): Promise<number>;
  /** A served repository is there, under this name. A repetition changes nothing. */
  know(installation: number, repository: KnownRepository): Promise<void>;
  forget(repository: number): Promise<void>;
  repositories(): Promise<(KnownRepository & { installation: number })[]>;
  installations(): Promise<number[]>;
  /** The repositories whose turn it is to be looked after, and puts them at the end of the row. */
  rotate(limit: number): Promise<number[]>;
  /** What the sweep knows of deliveries that GitHub could not bring: how far it read their log. Kept by object 0. */
  missedWalk(): Promise<Walk & { pausedUntil: number }>;
  noteMissed(attempts: DeliveryAttempt[], next: string | null, now: number): Promise<Walk>;
  restartMissed(): Promise<void>;
  pauseMissed(until: number): Promise<void>;
  dueMissed(now: number, limit: number): Promise<{ guid: string; id: number }[]>;
  /** Whether it will be asked for again, should it fail again. */
  askedForMissed(guid: string, now: number): Promise<boolean>;
}

export interface RunContract extends Wakeable {
  /** Starts the run. Once: a repetition changes nothing. */
  start(request: RunRequest): Promise<void>;
  /** Fleet: attempt `attempt` is about to be offered; earlier ones are stale from here on. */
  offered(job: string, attempt: number, runner: string, exchange: string | null): Promise<void>;
  started(job: string, attempt: number, runner: string): Promise<void>;
  /** Fleet: nothing is heard of the attempt, or it is lost. Others may take what it keeps from them. */
  adrift(job: string, attempt: number): Promise<void>;
  /** Fleet: final verdict of the job. Applied once; a different digest for a finished attempt is refused. */
  finished(
    job: string,
    attempt: number,
    verdict: Verdict,
    digest: string,
  ): Promise<{ applied: "applied" | "known" | "refused" }>;
  /** `yields`: the successor judges the same commit and takes over the check runs that are open. */
  supersede(by: string, yields: boolean): Promise<void>;
  cancel(by: string): Promise<void>;
  /** Ends the jobs of one kind; what they had to do gets the verdict `cancelled`. */
  cancelJobs(of: JobKind, by: string): Promise<void>;
  /** Machine: what became of a wish for a turn, or how a deploy ended that was lost. */
  turn(told: MachineTurn): Promise<void>;
  /** Machine: one of its deploys was lost there, and somebody must look. */
  look(machine: string): Promise<void>;
  /** Machine: whether the deploy that nothing was heard of still goes on. */
  deploying(machine: string): Promise<{ goesOn: boolean }>;
  /** Somebody (numeric id) confirms the deploy that waits for it. */
  confirm(by: number): Promise<void>;
  /** Everything a page or a replay needs, in slices. */
  view(): Promise<RunView | null>;
  attributes(after: number, limit: number): Promise<AttributeView[]>;
  /** What it changes against its base: all machines. Null where nothing is known. */
  impact(): Promise<Impact | null>;
}

export type AttributeView = {
  index: number;
  name: string;
  path: string[];
  selection: number;
  system: string | null;
  drv: string | null;
  required: boolean;
  verdict: Verdict | null;
  seconds: number;
  /** Of an earlier run where this one did not build it. */
  log: LogPlace | null;
  /** Who built it, signed; of a success. Archives of earlier releases do not have it. */
  provenance?: Provenance | null;
  /** Archives of earlier releases do not have it. */
  flake?: Flake | null;
};
export type JobView = {
  job: string;
  kind: JobKind;
  attempt: number;
  state: "queued" | "offered" | "running" | "finished";
  runner: string | null;
  verdict: Verdict | null;
};
export type RunView = {
  run: RunId;
  identity: RepositoryIdentity;
  reason: RunReason;
  state: string;
  createdAt: number;
  finishedAt: number | null;
  head: string;
  merge: string | null;
  tree: string | null;
  pool: Pool | null;
  conclusion: string | null;
  jobs: JobView[];
  counts: Record<string, number>;
  notices: string[];
};

export interface FleetContract extends Wakeable {
  /** Queues; answers what is missing when no class of the account can ever take it. */
  enqueue(
    account: number,
    job: QueuedJob,
  ): Promise<{ outcome: "queued" | "known" } | { outcome: "no-runner"; missing: string[] }>;
  cancel(job: string, reason: string): Promise<void>;
  /** For each of what is wanted: what every runner lacks for it, and what every one with this exchange does. */
  reach(
    account: number,
    of: { pool: Pool; repository: number; exchange: string | null },
    wanted: { system: string | null; features: string[] }[],
  ): Promise<{ anybody: string[] | null; partners: string[] | null }[]>;
  /** Slots of the runners with this exchange that are here, if there are several of them; else 0. */
  partners(
    account: number,
    of: { pool: Pool; repository: number; exchange: string },
  ): Promise<number>;
  /** A branch was deleted: runners that are here are told that they need keep nothing of it. */
  branchGone(account: number, repository: number, ref: string): Promise<void>;
  /** Declared classes of a pool that may serve the repository. */
  classes(pool: Pool, repository: number): Promise<RunnerClass[]>;
  /**
   * What the policies of the account's deploy runners let them change for the repository. A name that two of them pin to
   * different host keys is there twice: nobody may guess which one is meant.
   */
  machines(account: number, repository: number): Promise<KnownMachine[]>;
  /** For the account's audit log: what a run refused one of its runners. A repetition counts in the same line. */
  refused(account: number, refused: Refused): Promise<void>;
  /** Whether it remembers the job, in whatever state. */
  knows(job: string): Promise<boolean>;
  /** Whether the attempt is the current one, for the clone token; names its repository and installation. */
  holds(job: string, attempt: number): Promise<boolean>;
  /** The job behind an attempt that is the current one: for whom a token may be minted. */
  held(job: string, attempt: number): Promise<HeldJob | null>;
  mintCode(
    request: import("../../protocol/enrolment.ts").CodeRequest,
  ): Promise<{ code: string; expiresAt: number }>;
  enrol(
    request: import("../../protocol/enrolment.ts").EnrolmentRequest,
  ): Promise<import("../../protocol/enrolment.ts").EnrolmentReply | { refused: string }>;
}

/** Read answers; `unavailable` is an infrastructure state, never a verdict on the change. */
export type Read<T> =
  | { ok: true; value: T }
  | { ok: false; missing: true }
  | { ok: false; missing: false; retryAfter: number; reason: string };
/** What GitHub answered the App itself. */
export type AskedApp<T> =
  | { ok: true; value: T }
  | { ok: false; kind: "limited"; retryAfter: number; reason: string }
  /** `refused`: it never will as it is. `unknown`: nobody knows whether it was done. */
  | { ok: false; kind: "refused" | "unknown"; reason: string };
export type PullState = PullAbout & {
  state: "open" | "closed";
  head: string;
  merge: { kind: "pending" } | { kind: "conflict" } | { kind: "ready"; sha: string };
};

/** A token for what the installation has of the names; null when that is nothing. */
export type MintedInputs = {
  token: { token: string; expiresAt: number } | null;
  opened: string[];
  notInstalled: string[];
};

/** A repository that GitHub is asked about: by its id, whatever it is called now. */
export type Named = { id: number; owner: string; name: string };

export interface WriterContract extends Wakeable {
  desire(checks: DesiredCheck[]): Promise<void>;
  /** Reactions and comments on pull requests, deployments, an issue. A repetition changes nothing. */
  say(what: DesiredWord[]): Promise<void>;
  pull(of: Named, number: number): Promise<Read<PullState>>;
  /** Tree of a commit, its parents, and when it was committed (Unix s) where GitHub says so. */
  commit(
    of: Named,
    sha: string,
  ): Promise<Read<{ tree: string; parents: string[]; committedAt?: number }>>;
  /** A file's text at a ref; `missing` when it is not there. A good guess at the ref's commit (`expected`) saves time. */
  file(of: Named, path: string, ref: string, expected?: string | null): Promise<Read<PolicySource>>;
  /** What is in a folder at a commit; `missing` when it is not there. */
  entries(
    of: Named,
    path: string,
    sha: string,
  ): Promise<Read<{ name: string; isFolder: boolean }[]>>;
  /**
   * The collaborator's `role_name`: none, read, triage, write, maintain, admin, or a custom one. `id` is whose login it
   * was (0: not known): whoever has it now has no role in the other's name.
   */
  role(of: Named, login: string, id?: number): Promise<Read<string>>;
  /** Those of the organization's teams (slugs) in which the person is active. What may not be asked is no. */
  teams(organization: string, slugs: readonly string[], login: string): Promise<Read<string[]>>;
  /** How a commit stands, for a deploy. */
  standing(repository: Named, of: StandingOf): Promise<Read<Standing>>;
  /** Whether the repository can be seen by everybody, now. */
  visibility(repository: number): Promise<Read<{ private: boolean; owner: string; name: string }>>;
  /** Mints a read-only token for one repository: `contents: read`, an hour. */
  cloneToken(repository: number): Promise<{ token: string; expiresAt: number }>;
  /** The same for further repositories of the account, by name; `own` is the job's, which the token opens too. */
  inputToken(own: string, names: readonly string[]): Promise<MintedInputs>;
  /** Runs with checks that are shown, not completed, and as they were asked for before `before` (ms); in turn. */
  turning(before: number, limit: number, turn: number): Promise<RunId[]>;
  /** Completes the run's checks that are not, with what is known of it. */
  closeAll(run: RunId, closing: Closing): Promise<void>;
  /** GitHub may take again what it refused: the installation was suspended. */
  resume(): Promise<void>;
  /** A page of the App's log of deliveries, newest first; the App's, whichever Writer is asked. */
  deliveries(
    cursor: string | null,
  ): Promise<AskedApp<{ attempts: DeliveryAttempt[]; next: string | null }>>;
  /** GitHub brings it once more, under the same id. */
  redeliver(delivery: number): Promise<AskedApp<null>>;
  /** Who GitHub takes the App's key for: for the health check. */
  app(): Promise<{ id: number; slug: string }>;
}

export interface LogContract extends Wakeable {
  /** Text of a stream from `offset`; at most 256 KiB. Redacted before it arrived. */
  read(
    stream: string,
    offset: number,
  ): Promise<{
    data: Uint8Array;
    next: number;
    closed: { size: number; sha256: string; dropped: number } | null;
  } | null>;
  streams(): Promise<{ stream: string; size: number; closed: boolean }[]>;
}

/** Names of objects: (GitHub host, numeric id) only. */
export const objectName = {
  account: (host: string, account: number) => `${host}/account/${account}`,
  repo: (host: string, repository: number) => `${host}/repository/${repository}`,
  run: (host: string, run: RunId) => `${host}/run/${run}`,
  writer: (host: string, installation: number) => `${host}/installation/${installation}`,
  fleet: (host: string, account: number) => `${host}/account/${account}`,
  machine: (host: string, account: number, hostKey: string) =>
    `${host}/account/${account}/machine/${hostKey}`,
  log: (host: string, job: string, attempt: number) => `${host}/job/${job}/${attempt}`,
};
