import { createHmac } from "node:crypto";
import { listDurableObjectIds, reset, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deliver, sign } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import {
  accountStub,
  forbidNetwork,
  recordRuns,
  repoRows,
  repoStub,
  settled,
  until,
} from "../support/objects.ts";
import { OWNER, pull, push } from "../support/payloads.ts";
import { migrateIndex } from "../support/index.ts";

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = `1, ${OWNER}`;
  await migrateIndex();
  before = await objects();
  recordRuns();
  forbidNetwork();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

const post = (body: BodyInit, headers: Record<string, string>) =>
  exports.default.fetch("https://snowcat.test/github/webhook", { method: "POST", body, headers });
/** Objects that came into being during this test (those of earlier ones stay listed, empty). */
let before: string[] = [];
const objects = async () =>
  [...(await listDurableObjectIds(env.REPO)), ...(await listDurableObjectIds(env.ACCOUNT))].map(
    String,
  );
const nothingStored = async () => {
  expect((await objects()).filter((id) => !before.includes(id))).toEqual([]);
};
const refused = () =>
  runInDurableObject(accountStub(0), (_account, state) =>
    state.storage.sql.exec("SELECT delivery, event FROM refused ORDER BY id").toArray(),
  );

describe("POST /github/webhook", () => {
  test("a signed delivery is a row when 202 is answered", async () => {
    const answer = await deliver("push", push({ repository: 101 }), { id: "a-1" });
    expect([answer.status, await answer.json()]).toEqual([202, { outcome: "stored" }]);
    expect(await repoRows(101, "SELECT delivery, event FROM inbox")).toEqual([
      { delivery: "a-1", event: "push" },
    ]);
  });

  test("a delivery that comes twice is one", async () => {
    await deliver("push", push({ repository: 101 }), { id: "a-1" });
    const again = await deliver("push", push({ repository: 101 }), { id: "a-1" });
    expect([again.status, await again.json()]).toEqual([202, { outcome: "known" }]);
    await settled(repoStub(101));
    expect((await deliver("push", push({ repository: 101 }), { id: "a-1" })).status).toBe(202);
    expect(await repoRows(101, "SELECT state FROM inbox")).toEqual([{ state: "done" }]);
    expect(await repoRows(101, "SELECT n FROM run")).toHaveLength(1);
  });

  test.each([
    ["no signature", {}],
    ["a signature that is no hex", { "x-hub-signature-256": "sha256=zz" }],
    ["a short signature", { "x-hub-signature-256": "sha256=00" }],
    ["SHA-1", { "x-hub-signature-256": `sha1=${"0".repeat(40)}` }],
    ["another signature", { "x-hub-signature-256": `sha256=${"0".repeat(64)}` }],
    ["the right one and a tail", { "x-hub-signature-256": `sha256=${"0".repeat(64)}00` }],
  ])("%s: 401 and nothing stored", async (_name, headers) => {
    const answer = await post(JSON.stringify(push({ repository: 101 })), {
      "x-github-event": "push",
      "x-github-delivery": "a-1",
      ...headers,
    });
    expect(answer.status).toBe(401);
    await nothingStored();
  });

  test("without a secret nothing is signed, not even with the empty key: 401", async () => {
    const { GITHUB_WEBHOOK_SECRET: secret } = env;
    const body = new TextEncoder().encode(JSON.stringify(push({ repository: 31 })));
    const key = createHmac("sha256", "").update(body).digest("hex");
    try {
      for (const unset of ["", undefined]) {
        Object.assign(env, { GITHUB_WEBHOOK_SECRET: unset });
        const answer = await post(body, {
          "x-github-event": "push",
          "x-github-delivery": crypto.randomUUID(),
          "x-hub-signature-256": `sha256=${key}`,
        });
        expect(answer.status).toBe(401);
      }
    } finally {
      env.GITHUB_WEBHOOK_SECRET = secret;
    }
    await nothingStored();
  });

  test("a signature of other bytes: 401", async () => {
    const signature = await sign(env.GITHUB_WEBHOOK_SECRET, new TextEncoder().encode("{}"));
    expect(
      (
        await post("{ }", {
          "x-github-event": "push",
          "x-github-delivery": "a-1",
          "x-hub-signature-256": signature,
        })
      ).status,
    ).toBe(401);
    await nothingStored();
  });

  test("without a secret nothing is a signature", async () => {
    const secret = env.GITHUB_WEBHOOK_SECRET;
    try {
      env.GITHUB_WEBHOOK_SECRET = "";
      expect(
        (
          await post("{}", {
            "x-github-event": "push",
            "x-github-delivery": "a-1",
            "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
          })
        ).status,
      ).toBe(401);
    } finally {
      env.GITHUB_WEBHOOK_SECRET = secret;
    }
  });

  test("a declared length above 25 MB: 413", async () => {
    const answer = await exports.default.fetch(
      new Request("https://snowcat.test/github/webhook", {
        method: "POST",
        body: new Uint8Array(25_000_001),
      }),
    );
    expect(answer.status).toBe(413);
    await nothingStored();
  });

  test("a body that turns out to be above 25 MB: 413, read no further", async () => {
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_000_000));
      },
    });
    const answer = await exports.default.fetch(
      new Request("https://snowcat.test/github/webhook", { method: "POST", body }),
    );
    expect(answer.status).toBe(413);
    expect(pulled).toBeLessThan(40);
    await nothingStored();
  });

  test("a body above a row's size is kept in R2, handled, and then gone from there", async () => {
    const body = { ...push({ repository: 101 }), commits: ["x".repeat(2_500_000)] };
    expect((await deliver("push", body, { id: "large" })).status).toBe(202);
    await settled(repoStub(101));
    expect(await repoRows(101, "SELECT n FROM run")).toHaveLength(1);
    expect((await env.BLOBS.list()).objects).toEqual([]);
  });

  test("signed text that is no JSON object: recorded, 400", async () => {
    for (const [id, body] of [
      ["b-1", "{"],
      ["b-2", "[]"],
      ["b-3", "null"],
      ["b-4", "payload=%7B%7D"],
      ["b-5", ""],
    ] as const) {
      expect((await deliver("push", body, { id })).status, body).toBe(400);
    }
    expect((await refused()).map(({ delivery }) => delivery)).toEqual([
      "b-1",
      "b-2",
      "b-3",
      "b-4",
      "b-5",
    ]);
  });

  test("headers that name no delivery: 400", async () => {
    expect((await deliver("push", push({ repository: 101 }), { id: "a/../b" })).status).toBe(400);
    expect((await deliver("Push; drop", push({ repository: 101 }))).status).toBe(400);
  });

  test("an account that is not served: recorded, 202, no object of its own and no job", async () => {
    expect(
      (await deliver("push", push({ repository: 102, owner: 666 }), { id: "c-1" })).status,
    ).toBe(202);
    expect((await deliver("ping", { zen: "x" }, { id: "c-2" })).status).toBe(202);
    expect(await refused()).toEqual([
      { delivery: "c-1", event: "push" },
      { delivery: "c-2", event: "ping" },
    ]);
    const added = (await objects()).filter((id) => !before.includes(id));
    expect(added.filter((id) => id !== String(accountStub(0).id))).toEqual([]);
  });

  test("what is recorded of strangers is bounded, and expires", async () => {
    const account = accountStub(0);
    const now = Date.now();
    const body = new Uint8Array();
    await runInDurableObject(account, async (object) => {
      for (let n = 0; n < 1_100; n += 1)
        await object.accept({ id: `s-${n}`, event: "push", receivedAt: now, body, allowed: false });
    });
    expect(await refused()).toHaveLength(1_000);
    await account.accept({
      id: "late",
      event: "push",
      receivedAt: now + 5 * 24 * 3_600_000,
      body,
      allowed: false,
    });
    expect(await refused()).toEqual([{ delivery: "late", event: "push" }]);
  });

  test("a row that cannot be handled is set aside with its error, the others go on", async () => {
    await deliver(
      "push",
      { repository: push({ repository: 101 }).repository, installation: { id: 9 } },
      { id: "bad" },
    );
    await deliver("pull_request", pull({ repository: 101 }), { id: "good" });
    await settled(repoStub(101));
    const rows = await repoRows(101, "SELECT delivery, state, error FROM inbox ORDER BY id");
    expect(rows).toMatchObject([
      {
        delivery: "bad",
        state: "aside",
        error: expect.stringContaining("payload of push cannot be read"),
      },
      { delivery: "good", state: "done" },
    ]);
    expect(await repoRows(101, "SELECT n FROM run")).toHaveLength(1);
  });

  test("the alarm rings by itself: nobody has to ask", async () => {
    const runs = recordRuns();
    await deliver("push", push({ repository: 103 }));
    await until(async () => runs.length > 0, "the run started");
    expect(runs).toMatchObject([{ call: "start", request: { run: "103-1" } }]);
  });
});
