import type { Flake } from "../../../src/core/flakiness/index.ts";
import type { Ask, Turn } from "../../../src/core/deploy/index.ts";
import { CONFIGURATION_FILE } from "../../../src/core/config/schema.ts";
import type { Environment } from "../../../src/bot/environment.ts";
import type {
  AttributeView,
  BuiltSystem,
  DesiredCheck,
  DesiredDeployment,
  JudgedVerdict,
  KnownMachine,
  MachineOf,
  MachineView,
  QueuedJob,
  Read,
  RememberedEvaluation,
  RememberedTree,
  RememberedVerdict,
  RunnerClass,
  RunView,
  Standing,
} from "../../../src/bot/objects/contracts.ts";

export const HEAD = "1".repeat(40);
export const MERGE = "2".repeat(40);
export const BASE = "3".repeat(40);
export const TREE = "4".repeat(40);

/** What the Run's neighbours say, and what they were told. */
export class Neighbours {
  pull: Read<{
    state: "open" | "closed";
    head: string;
    base: string;
    merge: { kind: "pending" } | { kind: "conflict" } | { kind: "ready"; sha: string };
  }> = {
    ok: true,
    value: { state: "open", head: HEAD, base: BASE, merge: { kind: "ready", sha: MERGE } },
  };
  commit: Read<{ tree: string; parents: string[]; committedAt?: number }> = {
    ok: true,
    value: { tree: TREE, parents: [BASE, HEAD] },
  };
  policy: string | null = null;
  /** The configuration at any commit; `files` says it for some. */
  proposed: string | null = null;
  files: Record<string, { text: string | null; problem?: string }> = {};
  /** Other files, by commit and path: `<sha>:<path>`; and the names of what is in a folder. */
  others: Record<string, string> = {};
  folders: Record<string, string[]> = {};
  role: Read<string> = { ok: true, value: "write" };
  classes: RunnerClass[] = [
    {
      class: "default",
      pool: "trusted",
      systems: ["x86_64-linux"],
      features: [],
      evaluators: ["nix (Nix) 2.8.0"],
      online: 1,
      repositories: null,
    },
  ];
  known: RememberedVerdict[] = [];
  /** What the Repo knows of flakiness. */
  flakes: Flake[] = [];
  tree: RememberedTree | null = null;
  earlier: { view: RunView; attributes: AttributeView[] } | null = null;
  missing: (job: QueuedJob) => string[] | null = () => null;
  reach: { anybody: string[] | null; partners: string[] | null } = {
    anybody: null,
    partners: null,
  };
  /** Machines that deploy runners name. */
  machines: KnownMachine[] = [];
  standing: Standing = {
    checks: [{ name: "snowcat", app: 0, conclusion: "success" }],
    required: [],
    holdsBase: true,
    onDefaultBranch: "not-asked",
  };
  /** What a machine's object answers to whoever asks for a turn; without, the next counter. */
  turn: (asked: Ask) => Turn = () => ({ kind: "granted", counter: (this.counter += 1) });
  counter = 0;
  /** What machines' objects know, and every other word they were told, in order. */
  views: Record<string, MachineView> = {};
  readonly told: [hostKey: string, word: string, ...rest: unknown[]][] = [];
  /** Every wish for a deployment, in order. */
  readonly deployments: DesiredDeployment[] = [];
  /** Slots of runners that share the exchange. */
  slots = 0;
  failing = new Set<string>();
  /** Calls that are taken, and whose answers are lost. */
  losing = new Set<string>();

  readonly queued: QueuedJob[] = [];
  readonly cancelled: string[] = [];
  readonly remembered: JudgedVerdict[] = [];
  readonly trees: RememberedTree[] = [];
  readonly evaluations: RememberedEvaluation[] = [];
  /** The newest of each section of the pull request's comment. */
  readonly sections = new Map<string, string | null>();
  readonly over: string[] = [];
  /** What runs told of the default branch's machines, with each end. */
  readonly systems: BuiltSystem[][] = [];
  readonly desired: DesiredCheck[] = [];
  readonly calls: string[] = [];
  /** The archive. */
  readonly blobs = new Map<string, string>();
  /** Jobs that the Fleet knows; one that lost its storage is emptied. */
  readonly fleet = new Set<string>();

  /** The newest wish for each check. */
  checks(): Record<string, DesiredCheck> {
    return Object.fromEntries(this.desired.map((check) => [check.name, check]));
  }

  #answer<T>(name: string, value: () => T): Promise<T> {
    this.calls.push(name);
    if (this.failing.has(name)) return Promise.reject(new Error(`${name} is away`));
    const answer = value();
    return this.losing.has(name)
      ? Promise.reject(new Error(`the answer of ${name} is lost`))
      : Promise.resolve(answer);
  }

  environment(real: Environment): Environment {
    const writer = {
      pull: () => this.#answer("pull", () => this.pull),
      commit: () => this.#answer("commit", () => this.commit),
      say: (what: DesiredDeployment[]) =>
        this.#answer("say", () => void this.deployments.push(...what)),
      standing: () =>
        this.#answer("standing", () => ({
          ok: true,
          value: {
            ...this.standing,
            checks: (this.standing.checks ?? []).map((check) => ({
              ...check,
              app: check.app === 0 ? Number(real.GITHUB_APP_ID) : check.app,
            })),
          },
        })),
      role: () => this.#answer("role", () => this.role),
      entries: (_repository: object, path: string, ref: string) =>
        this.#answer("entries", () => {
          const names = this.folders[`${ref}:${path}`];
          return names === undefined
            ? { ok: false, missing: true }
            : { ok: true, value: names.map((name) => ({ name, isFolder: !name.includes(".") })) };
        }),
      file: (_repository: object, path: string, ref: string) =>
        this.#answer("file", () => {
          if (path !== CONFIGURATION_FILE) {
            const text = this.others[`${ref}:${path}`];
            return text === undefined
              ? { ok: false, missing: true }
              : { ok: true, value: { text, commit: ref } };
          }
          const at = this.files[ref] ?? { text: this.proposed };
          return at.text === null && at.problem === undefined
            ? { ok: false, missing: true }
            : { ok: true, value: { ...at, commit: ref } };
        }),
      desire: (checks: DesiredCheck[]) =>
        this.#answer("desire", () => void this.desired.push(...checks)),
    };
    const repo = {
      policy: () =>
        this.#answer("policy", () => ({ ok: true, value: { text: this.policy, commit: BASE } })),
      recall: (_pool: string, drvs: string[]) =>
        this.#answer("recall", () =>
          this.known
            .filter(({ drv }) => drvs.includes(drv))
            .map((one) => ({
              ...one,
              flake: this.flakes.find(({ drv }) => drv === one.drv) ?? null,
            })),
        ),
      remember: (_pool: string, verdicts: JudgedVerdict[]) =>
        this.#answer("remember", () => {
          this.remembered.push(...verdicts);
          return this.flakes.filter(({ drv }) => verdicts.some((one) => one.drv === drv));
        }),
      recallTree: (key: string) =>
        this.#answer("recallTree", () => this.tree && { ...this.tree, key }),
      rememberTree: (tree: RememberedTree) =>
        this.#answer("rememberTree", () => void this.trees.push(tree)),
      rememberEvaluation: (evaluation: RememberedEvaluation) =>
        this.#answer("rememberEvaluation", () => void this.evaluations.push(evaluation)),
      recallEvaluation: (sha: string) =>
        this.#answer(
          "recallEvaluation",
          () => this.evaluations.find((one) => one.sha === sha) ?? null,
        ),
      section: (_run: string, section: string, markdown: string | null) =>
        this.#answer("section", () => void this.sections.set(section, markdown)),
      finished: (_run: string, conclusion: string, systems: BuiltSystem[]) =>
        this.#answer("finished", () => {
          this.over.push(conclusion);
          this.systems.push(systems);
        }),
    };
    const fleet = {
      classes: () => this.#answer("classes", () => this.classes),
      enqueue: (_account: number, job: QueuedJob) =>
        this.#answer("enqueue", () => {
          if (this.fleet.has(job.job)) return { outcome: "known" };
          const missing = this.missing(job);
          if (missing !== null) return { outcome: "no-runner", missing };
          this.queued.push(job);
          this.fleet.add(job.job);
          return { outcome: "queued" };
        }),
      reach: (_account: number, _of: object, wanted: object[]) =>
        this.#answer("reach", () => wanted.map(() => this.reach)),
      partners: () => this.#answer("partners", () => this.slots),
      cancel: (job: string) => this.#answer("cancel", () => void this.cancelled.push(job)),
      machines: () => this.#answer("machines", () => this.machines),
      knows: (job: string) => this.#answer("knows", () => this.fleet.has(job)),
    };
    const tells =
      (word: string) =>
      ({ hostKey }: MachineOf, ...rest: unknown[]) =>
        this.#answer(word, () => void this.told.push([hostKey, word, ...rest]));
    const machine = {
      ask: ({ hostKey }: MachineOf, asked: Ask) =>
        this.#answer("ask", () => {
          this.told.push([hostKey, "ask", asked.key]);
          return this.turn(asked);
        }),
      view: ({ hostKey }: MachineOf) => this.#answer("view", () => this.views[hostKey] ?? null),
      withdraw: () => this.#answer("withdraw", () => ({ begun: null })),
      heard: tells("heard"),
      end: tells("end"),
      lose: tells("lose"),
      observed: tells("observed"),
      unreachable: tells("unreachable"),
      leave: tells("leave"),
    };
    const run = {
      view: () => this.#answer("view", () => this.earlier?.view ?? null),
      attributes: (after: number, limit: number) =>
        this.#answer("attributes", () =>
          (this.earlier?.attributes ?? []).filter(({ index }) => index > after).slice(0, limit),
        ),
    };
    const index = {
      prepare: () => ({ bind: () => ({ run: () => this.#answer("index", () => ({})) }) }),
    };
    const blobs = {
      put: (key: string, text: string) =>
        this.#answer(`put ${key}`, () => void this.blobs.set(key, text)),
      head: (key: string) => this.#answer("head", () => (this.blobs.has(key) ? { key } : null)),
      get: (key: string) =>
        this.#answer("get", () => {
          const text = this.blobs.get(key);
          return text === undefined ? null : { text: () => Promise.resolve(text) };
        }),
    };
    const space = (object: unknown) => ({ getByName: () => object });
    // Stand-ins for bindings: only what a Run calls.
    return {
      ...real,
      PUBLIC_URL: "https://snowcat.example",
      WRITER: space(writer),
      REPO: space(repo),
      FLEET: space(fleet),
      RUN: space(run),
      MACHINE: space(machine),
      INDEX: index,
      BLOBS: blobs,
    } as unknown as Environment;
  }
}
