import { exports } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { forbidNetwork, recordRuns, repoStub, settled } from "../support/objects.ts";
import { A, comment, OWNER, pull } from "../support/payloads.ts";

const ID = 221;

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  recordRuns();
  forbidNetwork();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

const ask = (path: string, secret = env.OPERATOR_SECRET) =>
  exports.default.fetch(`https://snowcat.test/operator/${path}`, {
    headers: { authorization: `Bearer ${secret}` },
  });

test("the operator reads who asked for what, what was decided and why; nobody else does", async () => {
  vi.spyOn(Writer.prototype, "role").mockResolvedValue({ ok: true, value: "read" });
  vi.spyOn(Writer.prototype, "file").mockResolvedValue({ ok: false, missing: true });
  vi.spyOn(Writer.prototype, "say").mockResolvedValue();
  vi.spyOn(Writer.prototype, "pull").mockResolvedValue({
    ok: true,
    value: {
      state: "open",
      head: A,
      headRef: "topic",
      base: A,
      baseRef: "main",
      fork: true,
      draft: false,
      author: "eve",
      merge: { kind: "pending" },
    },
  });
  await deliver("pull_request", pull({ repository: ID, headRepository: 999, sender: "eve" }));
  await deliver("issue_comment", comment({ repository: ID, body: `/ok-to-test ${A}\n/retri` }));
  await settled(repoStub(ID));
  const path = `repositories/${ID}/audit`;
  expect((await ask(path, "guessed")).status).toBe(401);
  expect(await (await ask(path)).json()).toMatchObject({
    audit: [
      {
        id: 2,
        pull: 7,
        by: { login: "ada", id: 3 },
        via: "comment",
        command: `/ok-to-test ${A}`,
        decision: "permission",
        reason: expect.stringContaining("`read`"),
      },
      { id: 1, decision: "not read", reason: expect.stringContaining("Did you mean") },
    ],
  });
  expect(await (await ask(`${path}?before=2&limit=1`)).json()).toMatchObject({
    audit: [{ id: 1 }],
  });
  expect((await ask("repositories/acme/audit")).status).toBe(400);
  expect((await ask(`${path}?limit=100000`)).status).toBe(400);
});
