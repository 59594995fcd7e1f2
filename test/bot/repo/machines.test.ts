import { reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import {
  type Called,
  forbidNetwork,
  recordRuns,
  repoRows,
  repoStub,
  settled,
  until,
} from "../support/objects.ts";
import { A, B, C, comment, OWNER, pull, push } from "../support/payloads.ts";

const ID = 231;
const KEY = `SHA256:${"w".repeat(43)}`;
const repo = () => repoStub(ID);
let calls: Called[] = [];
let confirmed: number[] = [];
let role = "maintain";
let state: "open" | "closed" = "open";
const deploys = () =>
  calls.flatMap((called) =>
    called.call === "start" && called.request.reason.kind === "deploy"
      ? [
          {
            ...called.request.reason.what,
            by: called.request.sender.login,
            run: called.request.run,
          },
        ]
      : [],
  );

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  calls = recordRuns();
  confirmed = [];
  role = "maintain";
  state = "open";
  forbidNetwork();
  vi.spyOn(Writer.prototype, "role").mockImplementation(async () => ({ ok: true, value: role }));
  vi.spyOn(Writer.prototype, "pull").mockImplementation(async () => ({
    ok: true,
    value: {
      state,
      head: A,
      headRef: "topic",
      base: B,
      baseRef: "main",
      fork: false,
      draft: false,
      author: "ann",
      merge: { kind: "pending" },
    },
  }));
  vi.spyOn(Writer.prototype, "file").mockImplementation(async () => ({ ok: false, missing: true }));
  vi.spyOn(Writer.prototype, "say").mockImplementation(async () => {});
  vi.spyOn(Run.prototype, "confirm").mockImplementation(async (by) => void confirmed.push(by));
  vi.spyOn(Fleet.prototype, "machines").mockImplementation(async () => [
    { name: "web1", hostKey: KEY, online: true },
  ]);
  await deliver("pull_request", pull({ repository: ID }), {});
  await settled(repo());
  // Its checks have succeeded, and its head was recorded long ago.
  await runInDurableObject(repo(), (_object, { storage }) => {
    storage.sql.exec("UPDATE pull SET head_seen_at = head_seen_at - 120000");
    storage.sql.exec("UPDATE run SET state = 'finished', conclusion = 'success'");
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

let comments = 900;
/** What became of the comment's command, as its text. */
async function says(body: string, sender = "ann"): Promise<string> {
  comments += 1;
  const said = comment({ repository: ID, id: comments, body, sender });
  const id = sender === "ann" ? 3 : 4;
  const person = { ...said.sender, id };
  const brought = { ...said, sender: person, comment: { ...said.comment, user: person } };
  await deliver("issue_comment", brought, {});
  const outcome = await until(async () => {
    const query = `SELECT outcome FROM command WHERE comment = ${comments} AND state = 'done'`;
    const [row] = await repoRows(ID, query);
    const became = row?.["outcome"];
    return typeof became === "string" ? became : null;
  }, `something becomes of ${body}`);
  await settled(repo());
  const { kind, text } = JSON.parse(outcome) as { kind: string; text: string };
  return `${kind}: ${text}`;
}

test("a lock ends with its pull request", async () => {
  expect(await says("/lock web1")).toMatch(/^done: /u);
  const machine = env.MACHINE.getByName(objectName.machine(env.GITHUB_HOST, OWNER, KEY));
  const of = { host: env.GITHUB_HOST, account: OWNER, hostKey: KEY, repository: ID };
  expect((await machine.view(of))?.keeps).toHaveLength(1);
  const closing = pull({ repository: ID, action: "closed" });
  const late = { ...closing.pull_request, state: "closed", updated_at: "2030-01-01T00:00:00Z" };
  await deliver("pull_request", { ...closing, pull_request: late }, {});
  await until(async () => (await machine.view(of))?.keeps.length === 0, "the lock is let go");
  await settled(repo());
});

test("a lock keeps others away and its own pull request not; the machine's object has it", async () => {
  expect(await says("/lock web1 the database is moved")).toBe(
    "done: `web1` is locked for this pull request.",
  );
  const machine = env.MACHINE.getByName(objectName.machine(env.GITHUB_HOST, OWNER, KEY));
  const of = { host: env.GITHUB_HOST, account: OWNER, hostKey: KEY, repository: ID };
  expect((await machine.view(of))?.keeps).toMatchObject([
    {
      kind: "lock",
      owner: { repository: ID, pull: 7, by: "ann" },
      reason: "the database is moved",
    },
  ]);
  expect(await says("/status")).toContain("`web1` is locked for #7 by `ann`");
  expect(await says("/deploy web1")).toMatch(/^done: .*deploys it\.$/u);
  expect(await says("/unlock web1")).toBe("done: `web1` is free.");
  expect(await says("/hold web1 audit")).toBe("done: `web1` is held.");
  expect(await says("/deploy web1")).toMatch(/^refused: `web1` is held by `ann`: `audit`/u);
});

test("a plan, a deploy and a rollback are runs of their own, each once", async () => {
  await says("/plan");
  await says("/deploy --force web1");
  await says("/rollback web1 41");
  await says("/rollback web1 last-good");
  expect(await says("/deploy web1 --prune")).toMatch(
    /^refused: `\/deploy --prune` is for somebody with at least `admin`/u,
  );
  role = "admin";
  await says("/deploy web1 --prune");
  expect(deploys()).toMatchObject([
    { kind: "plan", targets: [], force: false },
    { kind: "deploy", targets: ["web1"], force: true },
    { kind: "rollback", machine: "web1", generation: 41 },
    { kind: "rollback", machine: "web1", generation: "last-good" },
    { kind: "deploy", targets: ["web1"], prune: true },
  ]);
  expect(new Set(deploys().map(({ run }) => run)).size).toBe(5);
  expect(calls.filter(({ call }) => call === "supersede")).toEqual([]);
});

test("the default branch's head, named in full, is deployed at a pull request that is closed", async () => {
  await deliver("push", push({ repository: ID, after: C, before: B }), {});
  await settled(repo());
  const closing = pull({ repository: ID, action: "closed", state: "closed" });
  closing.pull_request.updated_at = "2030-01-01T00:00:00Z";
  await deliver("pull_request", closing, {});
  await settled(repo());
  state = "closed";
  expect(await says("/deploy web1")).toMatch(/^refused: /u);
  expect(await says(`/deploy web1 ${C}`)).toMatch(/^done: .*deploys it\.$/u);
  expect(deploys()).toMatchObject([{ kind: "deploy", targets: ["web1"] }]);
  const [started] = calls.flatMap((called) =>
    called.call === "start" && called.request.reason.kind === "deploy"
      ? [called.request.reason]
      : [],
  );
  expect(started).toMatchObject({ head: C, ref: "refs/heads/main", pull: null });
  const [, n = ""] = deploys()[0]?.run.split("-") ?? [];
  expect(await says(`/cancel ${n}`)).toMatch(/^done: .*ended\.$/u);
});

test("a machine that no runner's policy names is told of, and nothing begins", async () => {
  expect(await says("/deploy db1")).toContain("names `db1` for this repository. It names `web1`");
  expect(await says("/lock db1")).toContain("`db1`");
  expect(deploys()).toEqual([]);
});

test("a deploy is for who may, of a head whose checks succeeded", async () => {
  role = "write";
  expect(await says("/deploy web1")).toContain("is for somebody with at least `maintain`");
  role = "maintain";
  await runInDurableObject(repo(), (_object, { storage }) => {
    storage.sql.exec("UPDATE run SET conclusion = 'failure'");
  });
  expect(await says("/deploy web1")).toContain("it must have succeeded");
  expect(deploys()).toEqual([]);
});

test("whoever asked for a deploy confirms it, and nobody else", async () => {
  await says("/deploy web1");
  expect(await says("/confirm", "bob")).toContain("Only whoever asked for it confirms it: `ann`");
  expect(confirmed).toEqual([]);
  expect(await says("/confirm")).toContain("was told");
  expect(confirmed).toHaveLength(1);
});
