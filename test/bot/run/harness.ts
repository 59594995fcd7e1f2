import { env, runInDurableObject } from "cloudflare:test";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { ToRun } from "../../../src/protocol/data.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import type { RunRequest } from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { BUILDER_KEY, signed } from "../support/builder.ts";
import { HEAD, BASE, Neighbours } from "./neighbours.ts";

export { BASE, HEAD, MERGE, Neighbours, TREE } from "./neighbours.ts";

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
    options?: { attempt?: number; seq?: number; key?: string },
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
      async frame(job, body, { attempt = 1, seq, key = BUILDER_KEY } = {}) {
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
          key,
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
