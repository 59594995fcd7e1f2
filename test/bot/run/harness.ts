import { env, runInDurableObject } from "cloudflare:test";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { ToRun } from "../../../src/protocol/data.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import type { Environment } from "../../../src/bot/environment.ts";
import type {
  AttributeView,
  DesiredCheck,
  QueuedJob,
  Read,
  RememberedEvaluation,
  RememberedTree,
  RememberedVerdict,
  RunnerClass,
  RunRequest,
  RunView,
} from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { BUILDER_KEY, signed } from "../support/builder.ts";

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
  commit: Read<{ tree: string; parents: string[] }> = {
    ok: true,
    value: { tree: TREE, parents: [BASE, HEAD] },
  };
  policy: string | null = null;
  proposed: string | null = null;
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
  tree: RememberedTree | null = null;
  earlier: { view: RunView; attributes: AttributeView[] } | null = null;
  missing: (job: QueuedJob) => string[] | null = () => null;
  failing = new Set<string>();

  readonly queued: QueuedJob[] = [];
  readonly cancelled: string[] = [];
  readonly remembered: RememberedVerdict[] = [];
  readonly trees: RememberedTree[] = [];
  readonly evaluations: RememberedEvaluation[] = [];
  readonly over: string[] = [];
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
    return this.failing.has(name)
      ? Promise.reject(new Error(`${name} is away`))
      : Promise.resolve(value());
  }

  environment(real: Environment): Environment {
    const writer = {
      pull: () => this.#answer("pull", () => this.pull),
      commit: () => this.#answer("commit", () => this.commit),
      role: () => this.#answer("role", () => this.role),
      file: () =>
        this.#answer("file", () =>
          this.proposed === null
            ? { ok: false, missing: true }
            : { ok: true, value: { text: this.proposed, commit: MERGE } },
        ),
      desire: (checks: DesiredCheck[]) =>
        this.#answer("desire", () => void this.desired.push(...checks)),
    };
    const repo = {
      policy: () =>
        this.#answer("policy", () => ({ ok: true, value: { text: this.policy, commit: BASE } })),
      recall: (_pool: string, drvs: string[]) =>
        this.#answer("recall", () => this.known.filter(({ drv }) => drvs.includes(drv))),
      remember: (_pool: string, verdicts: RememberedVerdict[]) =>
        this.#answer("remember", () => void this.remembered.push(...verdicts)),
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
      finished: (_run: string, conclusion: string) =>
        this.#answer("finished", () => void this.over.push(conclusion)),
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
      cancel: (job: string) => this.#answer("cancel", () => void this.cancelled.push(job)),
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
      INDEX: index,
      BLOBS: blobs,
    } as unknown as Environment;
  }
}

/** Counts the rows that SQLite reads and writes for the object: what the platform asks money for. */
function counted(storage: DurableObjectStorage): () => { read: number; written: number } {
  const { sql } = storage;
  let cursors: { rowsRead: number; rowsWritten: number }[] = [];
  const sum = { read: 0, written: 0 };
  const rows = () => {
    for (const { rowsRead, rowsWritten } of cursors) {
      sum.read += rowsRead;
      sum.written += rowsWritten;
    }
    cursors = [];
    return { ...sum };
  };
  const exec = (query: string, ...values: SqlStorageValue[]) => {
    const cursor = sql.exec(query, ...values);
    // The counts are whole once the caller has read the cursor, which it does at once.
    if (cursors.push(cursor) === 1_000) {
      const last = cursors.pop();
      rows();
      if (last !== undefined) cursors.push(last);
    }
    return cursor;
  };
  Object.defineProperty(storage, "sql", { value: { exec } });
  return rows;
}

export type Bench = {
  run: Run;
  neighbours: Neighbours;
  sql: SqlStorage;
  rows: () => { read: number; written: number };
  now: number;
  /** Does everything that is due up to `milliseconds` from now. */
  pass: (milliseconds?: number) => Promise<void>;
  /** A frame of an attempt of a job; answers what the runner was sent back. */
  frame: (
    job: number,
    body: ToRun,
    options?: { attempt?: number; seq?: number },
  ) => Promise<string[]>;
  finish: (job: number, verdict?: Verdict, attempt?: number) => Promise<string>;
};

let runs = 0;

/** A Run in a real object's storage, among stand-ins, with a clock of its own. No real alarm rings. */
export async function bench(test: (bench: Bench) => Promise<void>): Promise<void> {
  runs += 1;
  const stub = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-${1_000 + runs}`);
  await runInDurableObject(stub, async (_real, state) => {
    const neighbours = new Neighbours();
    const { storage } = state;
    // Alarms would ring in the object that the platform made, which has the real neighbours.
    Object.defineProperty(storage, "setAlarm", { value: () => Promise.resolve() });
    const { sql } = storage;
    const rows = counted(storage);
    const seqs = new Map<string, number>();
    const built = () => sql.exec<{ built: string }>("SELECT built FROM run").one().built;
    const object = new Run(state, neighbours.environment(env));
    const self: Bench = {
      run: object,
      neighbours,
      sql,
      rows,
      now: 1_000_000,
      async pass(milliseconds = 0) {
        const until = self.now + milliseconds;
        for (let turn = 0; turn < 1_000; turn += 1) {
          await object.alarm();
          const { due } = sql
            .exec<{ due: number | null }>("SELECT min(due) AS due FROM task")
            .one();
          if (due === null || due > until) {
            self.now = until;
            return;
          }
          self.now = Math.max(self.now, due);
        }
        throw new Error("a task is due for ever");
      },
      async frame(job, body, { attempt = 1, seq } = {}) {
        const stream = `${job}/${attempt}`;
        const next = seq ?? (seqs.get(stream) ?? 0) + 1;
        seqs.set(stream, Math.max(next, seqs.get(stream) ?? 0));
        const sent: string[] = [];
        const claims = {
          host: env.GITHUB_HOST,
          account: 1,
          installation: 7,
          repository: 42,
          run: request().run,
          job: `${request().run}.${job}`,
          attempt,
          runner: "r1",
          key: BUILDER_KEY,
          expiresAt: self.now + 1_000,
        };
        const socket = {
          deserializeAttachment: () => ({ claims }),
          send: (text: string) => void sent.push(text),
          close: (code: number, reason: string) => void sent.push(`close ${code} ${reason}`),
        };
        const told: ToRun =
          body.kind === "results"
            ? { ...body, results: body.results.map((one) => signed(one, 42, built())) }
            : body;
        await object.webSocketMessage(
          socket as unknown as WebSocket,
          JSON.stringify({
            v: 1,
            seq: next,
            ack: 0,
            job: null,
            attempt: null,
            sig: null,
            body: told,
          }),
        );
        return sent;
      },
      async finish(job, verdict = { kind: "succeeded", reused: false }, attempt = 1) {
        return (
          await object.finished(
            `${request().run}.${job}`,
            attempt,
            verdict,
            verdict.kind.padEnd(64, "0"),
          )
        ).applied;
      },
    };
    object.clock = () => self.now;
    await test(self);
  });
}

export function request(change: Partial<RunRequest> = {}): RunRequest {
  return {
    run: "42-1",
    identity: {
      host: env.GITHUB_HOST,
      account: { id: 1, login: "o" },
      installation: 7,
      repository: {
        id: 42,
        owner: "o",
        name: "r",
        private: false,
        defaultBranch: "main",
        cloneUrl: "https://github.example/o/r.git",
      },
    },
    reason: {
      kind: "pull_request",
      number: 5,
      head: HEAD,
      headRef: "topic",
      base: BASE,
      baseRef: "main",
      fork: false,
      author: "ann",
    },
    sender: { login: "ann", id: 9, type: "User" },
    approved: null,
    fresh: false,
    succeeds: [],
    requestedAt: 1_000_000,
    ...change,
  };
}

export function drv(name: string): string {
  return `/nix/store/${name
    .replaceAll(/[^a-d0-9]/gu, "0")
    .padStart(32, "0")
    .slice(-32)}-${name}.drv`;
}

export function attribute(
  name: string,
  system = "x86_64-linux",
  derivation = drv(name),
): Attribute {
  return {
    selection: 0,
    path: ["packages", system, name],
    system,
    seconds: 0.1,
    result: {
      kind: "derivation",
      derivation: { path: derivation, name, system, outputs: { out: null }, features: [] },
    },
  };
}

export function broken(name: string, line = 3): Attribute {
  return {
    selection: 0,
    path: ["packages", "x86_64-linux", name],
    system: "x86_64-linux",
    seconds: null,
    result: {
      kind: "error",
      message: "attribute 'x' missing",
      position: { file: "flake.nix", line, column: 5 },
    },
  };
}

export const evaluated: ToRun = {
  kind: "evaluated",
  evaluator: "nix-eval-jobs",
  degraded: null,
  seconds: 2,
  peakBytes: null,
  warnings: [],
  missing: [],
};

export function built(
  name: string,
  verdict: Verdict = { kind: "succeeded", reused: false },
  log: string | null = null,
  derivation = drv(name),
) {
  return {
    selection: 0,
    path: ["packages", "x86_64-linux", name],
    drv: derivation,
    verdict,
    seconds: 1,
    log,
  };
}

/** From the start to a job that evaluates. */
export async function evaluating(
  change: Partial<RunRequest>,
  test: (bench: Bench) => Promise<void>,
  before: (neighbours: Neighbours) => void = () => {},
): Promise<void> {
  await bench(async (self) => {
    before(self.neighbours);
    await self.run.start(request(change));
    await self.pass();
    await test(self);
  });
}
