import { exports } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { indexRun, indexedRun } from "../../../src/bot/index/index.ts";
import type { RunView } from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { forbidNetwork, recordRuns, repoStub, settled } from "../support/objects.ts";
import { A, B, OWNER, pull, push, repository } from "../support/payloads.ts";

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  forbidNetwork();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

const lines = async () =>
  (
    await env.INDEX.prepare(
      "SELECT run, name, private, reason, ref, pull, state, conclusion FROM runs ORDER BY run",
    ).all()
  ).results;

test("dropped and rebuilt from the objects, with names and visibility as they are now", async () => {
  const calls = recordRuns();
  await deliver("push", push({ repository: 601 }));
  await deliver("pull_request", pull({ repository: 601, head: B, headRef: "topic" }));
  await settled(repoStub(601));
  const requests = calls.flatMap((called) => (called.call === "start" ? [called.request] : []));
  expect(requests).toHaveLength(2);
  await deliver(
    "repository",
    repository({ repository: 601, action: "privatized", private: true, name: "renamed" }),
  );
  await settled(repoStub(601));
  const views: RunView[] = requests.map(({ run, identity, reason }) => ({
    run,
    identity,
    reason,
    state: "finished",
    createdAt: 5,
    finishedAt: 6,
    head: reason.head,
    merge: null,
    tree: null,
    pool: "trusted",
    conclusion: "success",
    jobs: [],
    counts: {},
    notices: [],
  }));
  // The order of the objects asked is that of the repository's runs: newest first.
  vi.spyOn(Run.prototype, "view").mockImplementation(async () => views.pop() ?? null);
  await indexRun(env, { ...indexedRun(views[0]!), run: "999-1", repository: 999 });

  const answer = await exports.default.fetch("https://snowcat.test/operator/index/rebuild", {
    method: "POST",
    headers: { authorization: `Bearer ${env.OPERATOR_SECRET}` },
  });
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { accounts: 1, repositories: 1, runs: 2 },
  ]);
  const common = { name: "renamed", private: 1, state: "finished", conclusion: "success" };
  expect(await lines()).toEqual([
    { ...common, run: "601-1", reason: "push", ref: "refs/heads/main", pull: null },
    { ...common, run: "601-2", reason: "pull_request", ref: "topic", pull: 7 },
  ]);
});

test("a run's line is brought up to date, not doubled", async () => {
  const line = {
    run: "1-1",
    repository: 1,
    owner: "o",
    name: "r",
    private: false,
    reason: "push" as const,
    ref: "refs/heads/main",
    head: A,
    pull: null,
    createdAt: 1,
  };
  await indexRun(env, { ...line, state: "building", conclusion: null, finishedAt: null });
  await indexRun(env, { ...line, state: "finished", conclusion: "failure", finishedAt: 9 });
  expect(await lines()).toMatchObject([{ run: "1-1", state: "finished", conclusion: "failure" }]);
});
