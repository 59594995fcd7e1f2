import {
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { steps } from "../../../src/bot/objects/repo/schema.ts";
import { Account } from "../../../src/bot/objects/account/account.ts";
import { Policy } from "../../../src/bot/objects/repo/policy.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import {
  accountStub,
  type Called,
  forbidNetwork,
  hurry,
  recordRuns,
  repoRows,
  repoStub,
  settled,
  until,
} from "../support/objects.ts";
import { A, B, C, checkRun, OWNER, pull, push, repository } from "../support/payloads.ts";

let calls: Called[] = [];
const ID = 201;
const repo = () => repoStub(ID);
const starts = () => calls.flatMap((called) => (called.call === "start" ? [called.request] : []));

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  calls = recordRuns();
  forbidNetwork();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

const bring = async (event: string, payload: object, id?: string) => {
  expect((await deliver(event, payload, { id })).status).toBe(202);
  await settled(repo());
};

describe("from a delivery to a run", () => {
  test("a push starts the run with everything it needs to know", async () => {
    await bring("push", push({ repository: ID, before: B }));
    expect(starts()).toEqual([
      {
        run: `${ID}-1`,
        identity: {
          host: "github.com",
          account: { id: OWNER, login: "o" },
          installation: 9,
          repository: {
            id: ID,
            owner: "o",
            name: `r${ID}`,
            private: false,
            defaultBranch: "main",
            cloneUrl: `https://github.com/o/r${ID}.git`,
          },
        },
        reason: { kind: "push", ref: "refs/heads/main", head: A, before: B },
        sender: { login: "ada", id: 3, type: "User" },
        approved: null,
        fresh: false,
        succeeds: [],
        requestedAt: expect.any(Number),
      },
    ]);
    expect([await repo().runs(10), await repo().active()]).toEqual([[`${ID}-1`], [`${ID}-1`]]);
  });

  test("a newer push supersedes, and a finished run is not superseded", async () => {
    await bring("push", push({ repository: ID }));
    await bring("push", push({ repository: ID, before: A, after: B }));
    await repo().finished(`${ID}-2`, "success");
    await bring("push", push({ repository: ID, before: B, after: C }));
    // Effects of different runs are performed at once, in any order.
    expect(
      calls
        .map((called) =>
          called.call === "start" ? called.request.run : `${called.call} by ${called.by}`,
        )
        .toSorted(),
    ).toEqual([`${ID}-1`, `${ID}-2`, `${ID}-3`, "supersede by run 2"]);
    expect(await repo().active()).toEqual([`${ID}-3`]);
    expect(await repoRows(ID, "SELECT state, conclusion FROM run ORDER BY n")).toEqual([
      { state: "superseded", conclusion: null },
      { state: "finished", conclusion: "success" },
      { state: "active", conclusion: null },
    ]);
  });

  test("a check asked for again starts the same afresh", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await bring(
      "check_run",
      checkRun({ repository: ID, action: "rerequested", externalId: `check:${ID}-1:checks` }),
    );
    expect(starts()[1]).toMatchObject({
      run: `${ID}-2`,
      fresh: true,
      reason: { kind: "pull_request", number: 7, head: A },
    });
  });

  test("the account learns of the repository and the index of its name", async () => {
    await bring("push", push({ repository: ID }));
    expect(await accountStub(OWNER).repositories()).toEqual([
      { id: ID, owner: "o", name: `r${ID}`, private: false, installation: 9 },
    ]);
    expect(await accountStub(OWNER).installations()).toEqual([9]);
    await env.INDEX.prepare(
      "INSERT INTO runs (run, repository, owner, name, private, reason, ref, head, state, created_at) VALUES ('x', ?, 'o', 'r', 0, 'push', 'r', 'h', 's', 1)",
    )
      .bind(ID)
      .run();
    await bring(
      "repository",
      repository({ repository: ID, action: "privatized", private: true, name: "new" }),
    );
    expect(await env.INDEX.prepare("SELECT name, private FROM runs").all()).toMatchObject({
      results: [{ name: "new", private: 1 }],
    });
    await bring("repository", repository({ repository: ID, action: "deleted" }));
    expect(await accountStub(OWNER).repositories()).toEqual([]);
  });
});

describe("the outbox", () => {
  test("a Run that does not answer is told again; what is for the same run waits its turn", async () => {
    let failures = 2;
    const order: string[] = [];
    vi.spyOn(Run.prototype, "start").mockImplementation(async (request) => {
      if (request.run === `${ID}-1` && failures-- > 0) throw new Error("no answer");
      order.push(`start ${request.run}`);
    });
    vi.spyOn(Run.prototype, "supersede").mockImplementation(async (by) => {
      order.push(`supersede by ${by}`);
    });
    const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
    await deliver("push", push({ repository: ID }));
    await until(async () => warned.mock.calls.length > 0, "the first try failed");
    await deliver("push", push({ repository: ID, before: A, after: B }));
    await until(async () => {
      await hurry(repo());
      return order.length === 3;
    }, "everything was told");
    expect(order.indexOf(`start ${ID}-1`)).toBeLessThan(order.indexOf("supersede by run 2"));
    expect(await repoRows(ID, "SELECT kind FROM due WHERE kind = 'effect'")).toEqual([]);
  });

  test("the account being away does not hold a run up", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.spyOn(Account.prototype, "know").mockRejectedValue(new Error("away"));
    await deliver("push", push({ repository: ID }));
    await until(async () => starts().length === 1, "the run started");
    const tries = () => repoRows(ID, "SELECT tries FROM due WHERE target = 'account'");
    await until(
      async () => Number((await tries())[0]?.["tries"]) > 0,
      "the account is tried later",
    );
    expect(starts()).toHaveLength(1);
  });
});

describe("the policy", () => {
  test("is read once for a head of the default branch, and again after it moved", async () => {
    const file = vi
      .spyOn(Writer.prototype, "file")
      .mockResolvedValue({ ok: true, value: { text: "version: 1", commit: A } });
    await bring("push", push({ repository: ID }));
    const identity = starts()[0]!.identity;
    expect(await repo().policy(identity)).toEqual({
      ok: true,
      value: { text: "version: 1", commit: A },
    });
    await repo().policy(identity);
    expect(file.mock.calls).toEqual([
      [{ id: ID, owner: "o", name: `r${ID}` }, ".github/snowcat.yml", "main", A],
    ]);
    await bring("push", push({ repository: ID, ref: "refs/heads/other", after: C }));
    await repo().policy(identity);
    expect(file).toHaveBeenCalledTimes(1);
    await bring("push", push({ repository: ID, before: A, after: B }));
    file.mockResolvedValue({ ok: false, missing: true });
    expect(await repo().policy(identity)).toEqual({ ok: true, value: { text: null, commit: B } });
  });

  test("an answer that was asked for before the branch moved is not kept", async () => {
    await bring("push", push({ repository: ID }));
    const identity = starts()[0]!.identity;
    await runInDurableObject(repo(), async (_repo, state) => {
      const policy = new Policy(state.storage.sql);
      const answers = ["old", "new"];
      const file = async () => {
        const text = answers.shift() ?? "none";
        if (text === "old") policy.stale();
        return { ok: true as const, value: { text, commit: A } };
      };
      const read = async () => policy.read(identity, A, { file }, 1_000);
      expect(
        [await read(), await read(), await read()].map((answer) =>
          answer.ok ? answer.value.text : null,
        ),
      ).toEqual(["old", "new", "new"]);
    });
  });

  test("not knowing is said, and nothing is kept", async () => {
    const file = vi
      .spyOn(Writer.prototype, "file")
      .mockResolvedValue({ ok: false, missing: false, retryAfter: 1_000, reason: "rate limit" });
    await bring("push", push({ repository: ID }));
    expect(await repo().policy(starts()[0]!.identity)).toMatchObject({ ok: false, missing: false });
    await repo().policy(starts()[0]!.identity);
    expect(file).toHaveBeenCalledTimes(2);
  });

  test("another account does not get it", async () => {
    await bring("push", push({ repository: ID }));
    const identity = starts()[0]!.identity;
    await runInDurableObject(repo(), async (object) => {
      await expect(
        object.policy({ ...identity, account: { id: 666, login: "x" } }),
      ).rejects.toThrow(/account 666/u);
    });
  });
});

describe("after a restart", () => {
  test("what was accepted is handled without any request", async () => {
    await runInDurableObject(repo(), async (object, state) => {
      const body = new TextEncoder().encode(JSON.stringify(push({ repository: ID })));
      await object.accept({
        id: "before",
        event: "push",
        receivedAt: Date.now(),
        body,
        allowed: true,
      });
      // As if the process had died before the alarm rang.
      await state.storage.setAlarm(Date.now() + 60_000);
    });
    await evictDurableObject(repo());
    expect(await runDurableObjectAlarm(repo())).toBe(true);
    await until(async () => starts().length === 1, "the run started");
  });

  test("a lost alarm is put back by wake", async () => {
    await runInDurableObject(repo(), async (object, state) => {
      const body = new TextEncoder().encode(JSON.stringify(push({ repository: ID })));
      await object.accept({
        id: "before",
        event: "push",
        receivedAt: Date.now(),
        body,
        allowed: true,
      });
      await state.storage.deleteAlarm();
    });
    await evictDurableObject(repo());
    expect(await runDurableObjectAlarm(repo())).toBe(false);
    expect(await repo().wake()).toEqual({ version: steps.length });
    await until(async () => starts().length === 1, "the run started");
  });
});
