import { env } from "cloudflare:test";
import { vi } from "vitest";
import { objectName, type QueuedJob } from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import type { Environment } from "../../../src/bot/environment.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";

export const bindings = env as unknown as Environment;

/** A Fleet of its own for each test: a new account. */
let account = 7_000;
export function newFleet() {
  account += 1;
  return {
    account,
    fleet: bindings.FLEET.get(
      bindings.FLEET.idFromName(objectName.fleet(bindings.GITHUB_HOST, account)),
    ),
  };
}

export type Told =
  | { call: "offered"; job: string; attempt: number; runner: string; exchange: string | null }
  | { call: "started"; job: string; attempt: number; runner: string }
  | { call: "finished"; job: string; attempt: number; verdict: Verdict; digest: string };

/** Replaces what Runs do when the Fleet calls them; answers the calls. `fail` makes the next ones throw. */
export function spyRuns(): {
  told: Told[];
  fail: { offered: number; finished: number };
  waitFor(count: number, call: Told["call"]): Promise<void>;
} {
  const told: Told[] = [];
  const fail = { offered: 0, finished: 0 };
  vi.spyOn(Run.prototype, "offered").mockImplementation(async (job, attempt, runner, exchange) => {
    if (fail.offered-- > 0) throw new Error("the run is away");
    told.push({ call: "offered", job, attempt, runner, exchange });
  });
  vi.spyOn(Run.prototype, "started").mockImplementation(
    async (job, attempt, runner) => void told.push({ call: "started", job, attempt, runner }),
  );
  vi.spyOn(Run.prototype, "finished").mockImplementation(async (job, attempt, verdict, digest) => {
    if (fail.finished-- > 0) throw new Error("the run is away");
    told.push({ call: "finished", job, attempt, verdict, digest });
    return { applied: "applied" };
  });
  return {
    told,
    fail,
    async waitFor(count, call) {
      await vi.waitUntil(() => told.filter((each) => each.call === call).length >= count, {
        timeout: 20_000,
        interval: 5,
      });
    },
  };
}

let run = 0;
/** A job of a run of its own. */
export function newJob(change: Partial<QueuedJob> = {}): QueuedJob {
  run += 1;
  const repository = change.repository ?? {
    id: 11,
    owner: "o",
    name: "r",
    private: false,
    defaultBranch: "main",
    cloneUrl: "https://github.com/o/r.git",
  };
  return {
    job: `${repository.id}-${run}.0`,
    run: `${repository.id}-${run}`,
    kind: "evaluate",
    installation: 5,
    repository,
    pool: "trusted",
    policy: "a".repeat(64),
    needs: { system: "x86_64-linux", features: [] },
    prefer: null,
    exchange: null,
    queuedAt: Date.now(),
    work: {
      kind: "evaluate",
      source: {
        cloneUrl: repository.cloneUrl,
        ref: "refs/heads/main",
        sha: "1".repeat(40),
        tree: "2".repeat(40),
        revision: false,
      },
      selections: [{ kind: "flake", directory: "", attributes: ["packages"], systems: null }],
      limits: { evaluationSeconds: 60, evaluationBytes: 1e9, buildSeconds: 60, silentSeconds: 60 },
    },
    ...change,
  };
}
