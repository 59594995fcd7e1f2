import { evictDurableObject, reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type {
  DesiredComment,
  DesiredReaction,
  PullState,
  Read,
} from "../../../src/bot/objects/contracts.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import {
  type Called,
  forbidNetwork,
  hurry,
  recordRuns,
  repoRows,
  repoStub,
  settled,
  until,
} from "../support/objects.ts";
import { A, B, C, checkRun, comment, OWNER, pull } from "../support/payloads.ts";

const ID = 211;
const repo = () => repoStub(ID);
let calls: Called[] = [];
const starts = () => calls.flatMap((called) => (called.call === "start" ? [called.request] : []));
/** What the Writer was wished to say. */
let said: (DesiredReaction | DesiredComment)[] = [];
const reactions = () => said.flatMap((one) => (one.kind === "reaction" ? [one.content] : []));
const ABOUT = {
  headRef: "topic",
  base: B,
  baseRef: "main",
  fork: true,
  draft: false,
  author: "eve",
};
/** GitHub's, for the tests to change. */
let membersAsked: string[][] = [];
let github: { role: Read<string>; pull: Read<PullState>; file: string | null; teams: string[] };

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  calls = recordRuns();
  forbidNetwork();
  said = [];
  github = { role: { ok: true, value: "write" }, pull: at(A), file: null, teams: [] };
  vi.spyOn(Writer.prototype, "role").mockImplementation(async () => github.role);
  vi.spyOn(Writer.prototype, "pull").mockImplementation(async () => github.pull);
  membersAsked = [];
  vi.spyOn(Writer.prototype, "teams").mockImplementation(async (organization, slugs, login) => {
    membersAsked.push([organization, ...slugs, login]);
    return { ok: true, value: github.teams };
  });
  vi.spyOn(Writer.prototype, "file").mockImplementation(async () =>
    github.file === null
      ? { ok: false, missing: true }
      : { ok: true, value: { text: github.file, commit: B } },
  );
  vi.spyOn(Writer.prototype, "say").mockImplementation(
    async (what) =>
      void said.push(...what.filter((one) => one.kind !== "deployment" && one.kind !== "issue")),
  );
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

function at(head: string, state: "open" | "closed" = "open"): Read<PullState> {
  return {
    ok: true,
    value: { ...ABOUT, state, head, merge: { kind: "pending" } },
  };
}

const bring = async (event: string, payload: object, id?: string) => {
  expect((await deliver(event, payload, { id })).status).toBe(202);
  await settled(repo());
};
const fork = () => pull({ repository: ID, headRepository: 999, sender: "eve" });
/** As if the head had been recorded long ago. */
const aged = () =>
  runInDurableObject(repo(), (_object, { storage }) => {
    storage.sql.exec("UPDATE pull SET head_seen_at = head_seen_at - 120000");
  });
const outcomes = async () =>
  (await repoRows(ID, "SELECT text, state, outcome FROM command ORDER BY id")).map(
    ({ text, state, outcome }) => ({
      text,
      state,
      became:
        typeof outcome === "string"
          ? (JSON.parse(outcome) as { kind: string; code: string | null }).code
          : undefined,
    }),
  );

describe("a comment on a pull request", () => {
  test("is answered: eyes, the run, one sticky comment, a reaction, and lines of the audit log", async () => {
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}` }));
    expect(starts()[1]).toMatchObject({ run: `${ID}-2`, approved: A, sender: { login: "eve" } });
    expect(await repoRows(ID, "SELECT approved, approved_by FROM pull")).toEqual([
      { approved: A, approved_by: "ada" },
    ]);
    expect(reactions()).toEqual(["eyes", "+1"]);
    expect(said.filter(({ kind }) => kind === "sticky").at(-1)).toMatchObject({
      resource: `comment:${ID}:7`,
      pull: 7,
      repository: { id: ID, owner: "o" },
    });
    expect(
      (await repo().audit(null, 10)).map(({ decision, by, command }) => [
        decision,
        by.login,
        command,
      ]),
    ).toEqual([
      ["done", "ada", `/ok-to-test ${A}`],
      ["allowed", "ada", `/ok-to-test ${A}`],
    ]);
    expect((await repo().audit(2, 10)).map(({ decision }) => decision)).toEqual(["allowed"]);
  });

  test("acts once, delivered twice, under another delivery id, and after a restart", async () => {
    await bring("pull_request", fork());
    const body = comment({ repository: ID, body: `/ok-to-test ${A}` });
    await bring("issue_comment", body, "one");
    await bring("issue_comment", body, "one");
    await evictDurableObject(repo());
    await bring("issue_comment", body, "two");
    expect(starts()).toHaveLength(2);
    expect(await outcomes()).toHaveLength(1);
  });

  test.each(["edited", "deleted"])("that was %s does nothing", async (action) => {
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}`, action }));
    expect([starts().length, said, await outcomes()]).toEqual([1, [], []]);
  });

  test.each(["Bot", "Organization", "Mannequin"])("by a %s does nothing", async (senderType) => {
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}`, senderType }));
    expect([starts().length, said, await outcomes()]).toEqual([1, [], []]);
  });

  test.each([
    ["nobody GitHub knows", { ok: false, missing: true } as const],
    ["read", { ok: true, value: "read" } as const],
    ["a custom role that nobody listed", { ok: true, value: "release-manager" } as const],
  ])("by %s approves nothing, and says why", async (_name, answer) => {
    github.role = answer;
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}` }));
    expect(starts()).toHaveLength(1);
    expect(await outcomes()).toMatchObject([{ state: "done", became: "permission" }]);
    expect(reactions()).toEqual(["eyes", "-1"]);
  });

  test("a custom role, or a team, that the default branch's configuration lists may", async () => {
    github.role = { ok: true, value: "release-manager" };
    github.file = "policy: { writers: [release-manager] }";
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}` }));
    expect(starts()).toHaveLength(2);
    expect(membersAsked).toEqual([]);
  });

  test("teams are asked about where the configuration names some", async () => {
    github.role = { ok: true, value: "triage" };
    github.file = "policy: { commands: { retry: { teams: [ops] } } }";
    await bring("pull_request", pull({ repository: ID }));
    await repo().finished(`${ID}-1`, "failure");
    const ask = (id: number) =>
      bring("issue_comment", comment({ repository: ID, body: `/retry failed ${A}`, id }));
    await ask(5);
    expect(starts()).toHaveLength(1);
    github.teams = ["ops"];
    await ask(6);
    expect(starts()).toHaveLength(2);
    expect(membersAsked[0]).toEqual(["o", "ops", "ada"]);
  });

  test("while the configuration cannot be read only admins may do more than ask", async () => {
    github.file = "policy: [";
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}`, id: 5 }));
    expect(await outcomes()).toMatchObject([{ became: "permission" }]);
    github.role = { ok: true, value: "admin" };
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}`, id: 6 }));
    expect(starts()).toHaveLength(2);
  });

  test("GitHub not answering is asked again later, not a refusal", async () => {
    github.role = { ok: false, missing: false, retryAfter: 90_000, reason: "rate limit" };
    await bring("pull_request", fork());
    await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}` }));
    const [row] = await repoRows(ID, "SELECT at FROM due WHERE payload LIKE '%ask-permission%'");
    expect(Number(row?.["at"])).toBeGreaterThan(Date.now() + 60_000);
    expect(reactions()).toEqual(["eyes"]);
    github.role = { ok: true, value: "write" };
    await hurry(repo());
    await settled(repo());
    expect(starts()).toHaveLength(2);
  });

  test("commands of a pull request keep their order, though the first has to wait", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await repo().finished(`${ID}-1`, "failure");
    await aged();
    github.role = { ok: false, missing: false, retryAfter: 90_000, reason: "rate limit" };
    await deliver("issue_comment", comment({ repository: ID, body: "/retry\n/cancel" }));
    await until(
      async () => (await repoRows(ID, "SELECT 1 FROM due WHERE tries > 0")).length > 0,
      "the first was asked about",
    );
    github.role = { ok: true, value: "write" };
    await hurry(repo());
    await settled(repo());
    expect(await outcomes()).toMatchObject([
      { text: "/retry", became: null },
      { text: "/cancel", became: null },
    ]);
    expect(calls.map(({ call }) => call)).toEqual(["start", "start", "cancel"]);
  });
});

describe("a push between the comment and the effect", () => {
  const moved = () =>
    pull({
      repository: ID,
      action: "synchronize",
      head: C,
      before: A,
      updatedAt: "2026-01-01T00:00:09Z",
    });

  test("that arrives while GitHub is being asked wins", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await repo().finished(`${ID}-1`, "failure");
    await aged();
    let asked = 0;
    vi.spyOn(Writer.prototype, "role").mockImplementation(async () => {
      asked += 1;
      // The second time is just before the effect: the push is accepted and handled before the answer is.
      if (asked === 2) {
        await deliver("pull_request", moved());
        await runInDurableObject(repo(), (_object, { storage }) => {
          storage.sql.exec("UPDATE pull SET head = ?, before = ?", C, A);
        });
      }
      return github.role;
    });
    await bring("issue_comment", comment({ repository: ID, body: "/retry" }));
    await until(async () => {
      await hurry(repo());
      return (await outcomes())[0]?.state === "done";
    }, "it is judged");
    expect(await outcomes()).toMatchObject([{ text: "/retry", became: "head-moved" }]);
    expect(starts().filter(({ fresh }) => fresh)).toEqual([]);
  });

  test("that only GitHub knows of is waited for, and wins", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await repo().finished(`${ID}-1`, "failure");
    await aged();
    github.pull = at(C);
    await bring("issue_comment", comment({ repository: ID, body: `/retry failed ${A}` }));
    expect(await outcomes()).toMatchObject([{ state: "asked" }]);
    await bring("pull_request", moved());
    await hurry(repo());
    await settled(repo());
    expect(await outcomes()).toMatchObject([{ state: "done", became: "head-moved" }]);
    expect(starts().filter(({ fresh }) => fresh)).toEqual([]);
  });
});

test("a pull request that is older than the installation is heard of by its first command", async () => {
  await bring("pull_request", pull({ repository: ID, number: 6, head: C }));
  const runs = starts().length;
  await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}` }));
  expect(await outcomes()).toMatchObject([{ state: "done", became: null }]);
  expect(starts().slice(runs)).toMatchObject([
    { reason: { kind: "pull_request", number: 7, head: A, fork: true }, approved: A },
  ]);
  expect(reactions()).toEqual(["eyes", "+1"]);
});

test("a commit that GitHub has and no delivery has told of yet is waited for, and approved", async () => {
  await bring("pull_request", fork());
  github.pull = at(C);
  await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${C}` }));
  const often = "SELECT 1 FROM due WHERE payload LIKE '%ask-permission%' AND tries > 7";
  await until(async () => {
    await hurry(repo());
    return (await repoRows(ID, often)).length > 0;
  }, "it is asked about more often than answers take to agree");
  expect(await outcomes()).toMatchObject([{ state: "asked" }]);
  expect(reactions()).toEqual(["eyes"]);
  const late = { action: "synchronize", head: C, before: A, updatedAt: "2026-01-01T00:00:09Z" };
  await bring(
    "pull_request",
    pull({ repository: ID, headRepository: 999, sender: "eve", ...late }),
  );
  await hurry(repo());
  await settled(repo());
  expect(await outcomes()).toMatchObject([{ state: "done", became: null }]);
  expect(starts().map(({ reason, approved }) => [reason.head, approved])).toEqual([
    [A, null],
    [C, null],
    [C, C],
  ]);
});

describe("a button", () => {
  const press = (identifier: string, over: { sender?: string; head?: string } = {}) =>
    checkRun({
      repository: ID,
      action: "requested_action",
      identifier,
      externalId: `check:${ID}-1:snowcat`,
      check: 31,
      ...over,
    });

  test("does the same as the command, once for its check, commit and action", async () => {
    await bring("pull_request", fork());
    await bring("check_run", press("ok-to-test"));
    await bring("check_run", press("ok-to-test"));
    expect(starts().map(({ approved }) => approved)).toEqual([null, A]);
    expect(await repoRows(ID, "SELECT key FROM command")).toEqual([
      { key: `button:31:${A}:ok-to-test` },
    ]);
    expect(reactions()).toEqual([]);
  });

  test("of a commit that is not the head any more does nothing", async () => {
    await bring("pull_request", fork());
    await bring("check_run", press("ok-to-test", { head: C }));
    expect(starts()).toHaveLength(1);
    expect(await outcomes()).toMatchObject([{ became: "head-moved" }]);
  });
});

test("commands and their log are forgotten after their time", async () => {
  await bring("pull_request", fork());
  await bring("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}` }));
  await runInDurableObject(repo(), (_object, { storage }) => {
    storage.sql.exec("UPDATE command SET at = 1");
    storage.sql.exec("UPDATE audit SET at = 1 WHERE id = 1");
    storage.sql.exec("UPDATE due SET at = 1 WHERE kind = 'prune'");
  });
  await repo().wake();
  await settled(repo());
  expect([
    await outcomes(),
    (await repo().audit(null, 10)).map(({ decision }) => decision),
  ]).toEqual([[], ["done"]]);
});
