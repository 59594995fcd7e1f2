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

const DAY = 24 * 3_600_000;
let calls: Called[] = [];
const redeliver = () => vi.spyOn(Writer.prototype, "redeliver").mockResolvedValue({ asked: 2 });

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

test("missed deliveries are asked for since the last sweep, at most three days back", async () => {
  const asked = redeliver();
  await accountStub(OWNER).know(9, { id: 501, owner: "o", name: "r", private: false });
  const now = 1_800_000_000_000;
  expect(await sweep(env, now)).toMatchObject({ redelivered: 2, failed: [] });
  await sweep(env, now + 120_000);
  expect(asked.mock.calls).toEqual([[now - 3 * DAY], [now - 600_000]]);
});

test("where nothing is installed nobody is asked", async () => {
  const asked = redeliver();
  expect(await sweep(env, 1_800_000_000_000)).toMatchObject({ redelivered: 0, failed: [] });
  expect(asked).not.toHaveBeenCalled();
});

test("a lost alarm of a repository is put back, its active runs and the account's fleet are woken", async () => {
  redeliver();
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

test("what fails is named and logged, the rest goes on", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(Fleet.prototype, "wake").mockRejectedValue(new Error("away"));
  redeliver();
  await accountStub(OWNER).know(9, { id: 501, owner: "o", name: "r", private: false });
  expect(await sweep(env, Date.now())).toMatchObject({
    redelivered: 2,
    failed: [`fleet ${OWNER}`],
  });
  expect(logged).toHaveBeenCalledOnce();
  await expect(
    worker.scheduled(createScheduledController({ scheduledTime: new Date() }), env),
  ).rejects.toThrow(/fleet 77/u);
});

test("a failed look for deliveries is made again over the same time", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const asked = vi
    .spyOn(Writer.prototype, "redeliver")
    .mockRejectedValueOnce(new Error("rate limit"))
    .mockResolvedValue({ asked: 0 });
  await accountStub(OWNER).know(9, { id: 501, owner: "o", name: "r", private: false });
  const now = 1_800_000_000_000;
  await sweep(env, now);
  await sweep(env, now + 120_000);
  expect(asked.mock.calls.map(([since]) => since)).toEqual([
    now - 3 * DAY,
    now + 120_000 - 3 * DAY,
  ]);
});
