import type { Octokit } from "@octokit/rest";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  commit,
  createCheck,
  deliveries,
  file,
  findCheck,
  pull,
  role,
  updateCheck,
  visibility,
} from "../../src/bot/github/client/index.ts";
import type { DesiredCheck } from "../../src/bot/objects/contracts.ts";
import { client, type Fixture, startFixture } from "../github/fixture.ts";
import { Api } from "./github/api.ts";
import { Truth } from "./github/truth.ts";
import { Clock } from "./platform/clock.ts";
import { Random } from "./platform/random.ts";

/**
 * The world's own GitHub beside the strict double: what the Worker's client makes of their answers is the same. What is
 * not the same in two worlds (ids, hashes) is left out.
 */

let strict: Fixture;
beforeAll(async () => {
  strict = await startFixture();
});
afterAll(() => strict.close());

type Side = {
  octokit: Octokit;
  owner: string;
  name: string;
  head: string;
  app: number;
  id: number;
};

async function sides(): Promise<{ real: Side; light: Side }> {
  const { github, owner, repo, app, bot } = strict;
  const head = await github.commit(repo, { as: owner, files: { [`${Math.random()}`]: "x" } });
  const real = { octokit: bot, owner: "octo", name: "flake", head, app: app.id, id: repo.id };
  const truth = new Truth(1);
  const made = truth.commit("good", []);
  truth.repositories.push({
    id: 501,
    name: "flake",
    formerly: ["before"],
    owner: { id: 77, login: "octo" },
    defaultBranch: "main",
    branches: new Map([["main", made.sha]]),
    pulls: new Map(),
    groups: new Map(),
    nextNumber: 1,
    updatedAt: 0,
    pushedAt: 0,
  });
  truth.people.push({ id: 8, login: "octo", role: "write", type: "User" });
  const weather = { limited: 0, failing: 0, lostBefore: 0, lostAfter: 0, lag: 0 };
  const hooks = { attempts: [], redeliver: () => false };
  const clock = new Clock(0);
  const api = new Api(clock, new Random(1), truth, hooks, weather);
  const octokit = client(github, {
    baseUrl: "https://api.github.test",
    request: {
      fetch: async (url: string, init: RequestInit) => {
        let open = true;
        const answer = api.ask(new Request(url, init)).finally(() => (open = false));
        // Nobody else moves this world's clock.
        while (open) {
          await new Promise((resolve) => setImmediate(resolve));
          await clock.runUntil(clock.now + 1_000);
        }
        return answer;
      },
    },
  });
  const light = { octokit, owner: "octo", name: "flake", head: made.sha, app: 1, id: 501 };
  return { real, light };
}

const check = (
  { head, owner, name, id }: Side,
  over: Partial<DesiredCheck> = {},
): DesiredCheck => ({
  resource: `check:${id}-1:snowcat`,
  run: `${id}-1`,
  yields: false,
  succeeds: [],
  version: 1,
  repository: { id, owner, name },
  name: "snowcat",
  head,
  detailsUrl: "https://snowcat.example/runs/1-1",
  status: "in_progress",
  conclusion: null,
  title: "Building",
  summary: "…",
  text: null,
  annotations: [
    {
      path: "flake.nix",
      start_line: 1,
      end_line: 1,
      annotation_level: "failure",
      message: "no",
      title: "t",
    },
  ],
  actions: [],
  startedAt: 1_700_000_000_000,
  completedAt: null,
  ...over,
});

/** What came of it: a value, or the status it was refused with. */
async function of<T>(work: Promise<T>): Promise<T | { status: unknown }> {
  try {
    return await work;
  } catch (error) {
    return { status: error instanceof Error && "status" in error ? error.status : error };
  }
}

async function both<T>(ask: (side: Side) => Promise<T>): Promise<[unknown, unknown]> {
  const { real, light } = await sides();
  const answers = [await of(ask(real)), await of(ask(light))] as const;
  strict.github.takeLedger();
  return [answers[0], answers[1]];
}

test.each<[string, (side: Side) => Promise<unknown>]>([
  [
    "a check run is made, found by its name and by its id, brought up to date, and made twice if asked twice",
    async (side) => {
      const { octokit, app } = side;
      const absent = await findCheck(octokit, app, null, check(side));
      const made = await createCheck(octokit, check(side));
      const found = await findCheck(octokit, app, null, check(side));
      const done = check(side, { status: "completed", conclusion: "success", completedAt: 1 });
      const updated = await updateCheck(octokit, made.shownId, done, 0);
      const byId = await findCheck(octokit, app, made.shownId, done);
      const second = await createCheck(octokit, check(side));
      return [
        absent,
        found?.shownId === made.shownId,
        [made.annotated, found?.annotated, updated.annotated, byId?.annotated],
        second.shownId > made.shownId,
      ];
    },
  ],
  ["a check run of no commit", (s) => createCheck(s.octokit, check(s, { head: "0".repeat(40) }))],
  ["a check run that is not there", (s) => updateCheck(s.octokit, 999_999, check(s), 0)],
  ["a file that is not there", (s) => file(s.octokit, s, ".github/snowcat.yml", "main", null)],
  ["a pull request that is not there", (s) => pull(s.octokit, s, 4_711)],
  ["a commit that is not there", (s) => commit(s.octokit, s, "0".repeat(40))],
  [
    "a commit's tree",
    async (s) => /^[0-9a-f]{40}$/u.test((await commit(s.octokit, s, s.head)).tree),
  ],
  ["who somebody is that GitHub does not know", (s) => role(s.octokit, s, "nobody-at-all")],
  ["a repository by its id", async (s) => ({ ...(await visibility(s.octokit, s.id)) })],
  ["a repository that is not there", (s) => visibility(s.octokit, 999_999)],
])("%s: the same on both", async (_name, ask) => {
  const [real, light] = await both(ask);
  expect(light).toEqual(real);
});

test("the log of deliveries has the members that are read", async () => {
  await strict.github.settled();
  const { attempts, next } = await deliveries(strict.asApp, null);
  expect(next).toBeNull();
  expect(attempts[0]).toEqual({
    id: expect.any(Number),
    guid: expect.any(String),
    at: expect.any(Number),
    ok: true,
    redelivery: false,
  });
});

test("of several Apps on one commit each finds only its own check, whatever it is called", async () => {
  const { real } = await sides();
  const { github, owner } = strict;
  const other = await github.createApp({
    owner,
    slug: "another",
    webhookSecret: "another",
    hookUrl: null,
  });
  await createCheck(real.octokit, check(real));
  expect(await findCheck(real.octokit, other.id, null, check(real))).toBeNull();
  expect(await findCheck(real.octokit, real.app, null, check(real))).not.toBeNull();
});
