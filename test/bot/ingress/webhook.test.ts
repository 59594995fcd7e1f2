import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { OWNER, push } from "../support/payloads.ts";

env.ALLOWED_ACCOUNTS = `${OWNER}`;
afterEach(() => { vi.restoreAllMocks(); });

const rows = (repository: number) =>
  runInDurableObject(env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository)), (_repo, state) =>
    state.storage.sql.exec("SELECT delivery, event, state FROM inbox ORDER BY id").toArray());

describe("POST /github/webhook", () => {
  test("a signed delivery is a row when 202 is answered", async () => {
    const answer = await deliver("push", push({ repository: 101 }), { id: "a-1" });
    expect([answer.status, await answer.json()]).toEqual([202, { outcome: "stored" }]);
    expect(await rows(101)).toMatchObject([{ delivery: "a-1", event: "push" }]);
  });
});
