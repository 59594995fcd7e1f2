import { reset } from "cloudflare:test";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AskedApp } from "../../../src/bot/objects/contracts.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { bringMissed } from "../../../src/bot/sweep/deliveries.ts";
import type { DeliveryAttempt } from "../../../src/core/sweep/missed.ts";
import { env } from "../support/env.ts";
import { forbidNetwork } from "../support/objects.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** GitHub's log of deliveries, in pages of a hundred, and what it was asked to bring again. */
class Log {
  readonly attempts: DeliveryAttempt[] = [];
  readonly asked: number[] = [];
  pagesRead = 0;
  /** What to answer instead, one after another. */
  readonly readTrouble: AskedApp<never>[] = [];
  readonly askTrouble: AskedApp<never>[] = [];

  constructor() {
    vi.spyOn(Writer.prototype, "deliveries").mockImplementation(async (cursor) => {
      const trouble = this.readTrouble.shift();
      if (trouble !== undefined) return trouble;
      this.pagesRead += 1;
      const end = cursor === null ? this.attempts.length : Number(cursor);
      const attempts = this.attempts.slice(Math.max(0, end - 100), end).toReversed();
      return { ok: true, value: { attempts, next: end > 100 ? String(end - 100) : null } };
    });
    vi.spyOn(Writer.prototype, "redeliver").mockImplementation(async (id) => {
      const trouble = this.askTrouble.shift();
      if (trouble !== undefined) return trouble;
      this.asked.push(id);
      return { ok: true, value: null };
    });
  }

  tried(guid: string, ok: boolean, at: number, redelivery = false): number {
    const id = this.attempts.length + 1;
    this.attempts.push({ id, guid, at, ok, redelivery });
    return id;
  }
}

let log: Log;
beforeEach(() => {
  forbidNetwork();
  log = new Log();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

test("what failed is asked for, what came (also the second time) is not", async () => {
  log.tried("came", true, NOW - 5 * MINUTE);
  const missed = log.tried("missed", false, NOW - 4 * MINUTE);
  log.tried("later", false, NOW - 3 * MINUTE);
  log.tried("later", true, NOW - 2 * MINUTE, true);
  expect(await bringMissed(env, NOW)).toEqual({ asked: 1, givenUp: 0, waitsUntil: null });
  expect(log.asked).toEqual([missed]);
});

test("it is asked for again only after a pause, by its newest try, less and less, then no more, and that is said", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  let last = log.tried("missed", false, NOW);
  const times: number[] = [];
  const sweeps = [0, 2, 4, 6, 8, 12, 14, 20, 28, 30, 50, 60, 118, 120, 240, 300, 600, 660, 1_300];
  for (const minutes of [...sweeps, 1_380, 2_000, 2_100, 3_000, 3_600]) {
    const now = NOW + minutes * MINUTE;
    const before = log.asked.length;
    await bringMissed(env, now);
    if (log.asked.length === before) continue;
    expect(log.asked.at(-1)).toBe(last);
    times.push(minutes);
    last = log.tried("missed", false, now, true);
  }
  expect(times).toEqual([0, 2, 6, 14, 30, 60, 120, 300, 660, 1_380, 2_100]);
  expect(said).toHaveBeenCalledOnce();
  expect(String(said.mock.calls[0]?.[0])).toContain("given up");
});

test("a log of many pages is read on by the next sweeps, to its end, and nothing in it is passed over", async () => {
  const missed = log.tried("old", false, NOW - DAY);
  for (let n = 0; n < 4_500; n += 1) log.tried(`n${n}`, true, NOW - DAY + n * 1_000);
  await bringMissed(env, NOW);
  expect([log.pagesRead, log.asked]).toEqual([20, []]);
  await bringMissed(env, NOW + 2 * MINUTE);
  await bringMissed(env, NOW + 4 * MINUTE);
  expect([log.pagesRead, log.asked]).toEqual([46, [missed]]);
  log.tried("old", true, NOW + 5 * MINUTE, true);
  // What came while the walk was under way is read by the next one, and no more than that.
  const during = log.tried("during", false, NOW + MINUTE);
  await bringMissed(env, NOW + 6 * MINUTE);
  expect([log.pagesRead, log.asked]).toEqual([47, [missed, during]]);
});

test("what is older than three days is let go", async () => {
  log.tried("gone", false, NOW - 3 * DAY - MINUTE);
  expect(await bringMissed(env, NOW)).toMatchObject({ asked: 0 });
  const missed = log.tried("missed", false, NOW);
  await bringMissed(env, NOW);
  expect(log.asked).toEqual([missed]);
  expect(await bringMissed(env, NOW + 4 * DAY)).toMatchObject({ asked: 0 });
});

test("a rate limit puts it off and says until when; then it goes on where it was", async () => {
  const said = vi.spyOn(console, "warn").mockImplementation(() => {});
  const [first, second] = ["a", "b"].map((guid) => log.tried(guid, false, NOW - MINUTE));
  log.askTrouble.push({ ok: false, kind: "limited", retryAfter: 10 * MINUTE, reason: "secondary" });
  const until = NOW + 10 * MINUTE;
  expect(await bringMissed(env, NOW)).toEqual({ asked: 0, givenUp: 0, waitsUntil: until });
  expect(await bringMissed(env, NOW + 2 * MINUTE)).toMatchObject({ asked: 0, waitsUntil: until });
  expect([log.pagesRead, said.mock.calls.length]).toEqual([1, 1]);
  expect(await bringMissed(env, until)).toMatchObject({ asked: 2, waitsUntil: null });
  expect(log.asked).toEqual([first, second]);
});

test("an answer that never came keeps nothing else from being asked for, and is asked again", async () => {
  const [first, second] = ["a", "b"].map((guid) => log.tried(guid, false, NOW - MINUTE));
  log.askTrouble.push({ ok: false, kind: "unknown", reason: "the connection was lost" });
  await expect(bringMissed(env, NOW)).rejects.toThrow(/connection was lost/u);
  expect(log.asked).toEqual([second]);
  await bringMissed(env, NOW + 2 * MINUTE);
  expect(log.asked).toEqual([second, first, second]);
});

test("a place in the log that GitHub does not know any more: it is read from its newest entry", async () => {
  for (let n = 0; n < 2_500; n += 1) log.tried(`n${n}`, true, NOW - MINUTE);
  const missed = log.tried("missed", false, NOW);
  await bringMissed(env, NOW);
  log.readTrouble.push({ ok: false, kind: "refused", reason: "422: cursor" });
  await expect(bringMissed(env, NOW + MINUTE)).rejects.toThrow(/cursor/u);
  await bringMissed(env, NOW + 2 * MINUTE);
  await bringMissed(env, NOW + 3 * MINUTE);
  expect(log.asked).toContain(missed);
  expect(log.pagesRead).toBe(20 + 20 + 6);
});
