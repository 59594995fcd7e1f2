import { createScheduledController, reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { sweep } from "../../../src/bot/sweep/sweep.ts";
import worker from "../../../src/bot/worker.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import {
  accountStub,
  type Called,
  forbidNetwork,
  recordRuns,
  repoStub,
  settled,
  until,
} from "../support/objects.ts";
import { OWNER, push } from "../support/payloads.ts";

let calls: Called[] = [];
const nothingMissed = () =>
  vi
    .spyOn(Writer.prototype, "deliveries")
    .mockResolvedValue({ ok: true, value: { attempts: [], next: null } });

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

test("a lost alarm of a repository is put back, its active runs and the account's fleet are woken", async () => {
  nothingMissed();
  const run = vi.spyOn(Run.prototype, "wake").mockResolvedValue({ version: 1 });
  const fleet = vi.spyOn(Fleet.prototype, "wake");
  await deliver("push", push({ repository: 501 }));
  await settled(repoStub(501));
  await runInDurableObject(repoStub(501), async (repo, state) => {
    const body = new TextEncoder().encode(
      JSON.stringify(push({ repository: 501, ref: "refs/heads/x", after: "c".repeat(40) })),
    );
    await repo.accept({ id: "lost", event: "push", receivedAt: Date.now(), body, allowed: true });
    await state.storage.deleteAlarm();
  });
  expect((await sweep(env, Date.now())).failed).toEqual([]);
  expect([fleet.mock.calls.length, run.mock.calls.length]).toEqual([1, 1]);
  await until(async () => calls.length === 2, "the lost delivery was handled");
});

test("a run of which nothing is there is over for its repository, once it would have been", async () => {
  nothingMissed();
  vi.spyOn(console, "error").mockImplementation(() => {});
  await deliver("push", push({ repository: 502 }));
  await settled(repoStub(502));
  await sweep(env, Date.now());
  expect(await repoStub(502).active()).toHaveLength(1);
  await sweep(env, Date.now() + 21 * 60_000);
  expect(await repoStub(502).active()).toEqual([]);
});

test("what fails is named and logged, the rest goes on", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(Fleet.prototype, "wake").mockRejectedValue(new Error("away"));
  nothingMissed();
  await accountStub(OWNER).know(9, { id: 501, owner: "o", name: "r", private: false });
  expect((await sweep(env, Date.now())).failed).toEqual([`fleet ${OWNER}`]);
  expect(logged).toHaveBeenCalledOnce();
  await expect(
    worker.scheduled(createScheduledController({ scheduledTime: new Date() }), env),
  ).rejects.toThrow(/fleet 77/u);
});
