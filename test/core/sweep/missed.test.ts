import fc from "fast-check";
import { expect, test } from "vitest";
import {
  afterAsking,
  type DeliveryAttempt,
  KEPT_BY_GITHUB,
  type MissedRow,
  noted,
  since,
  type Walk,
  walked,
} from "../../../src/core/sweep/missed.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const attempt = (over: Partial<DeliveryAttempt> = {}): DeliveryAttempt => ({
  id: 1,
  guid: "g",
  at: NOW,
  ok: false,
  redelivery: false,
  ...over,
});

test("what came at once is not kept, what failed is, and what came the second time is known to have", () => {
  expect(noted(null, attempt({ ok: true }))).toBeNull();
  const missed = noted(null, attempt());
  expect(missed).toMatchObject({ guid: "g", id: 1, ok: false, asked: 0, dueAt: 0 });
  expect(noted(missed, attempt({ id: 9, ok: true, redelivery: true }))).toMatchObject({ ok: true });
});

test("in whatever order the tries are read, the same is known in the end", () => {
  const tries = [
    attempt(),
    attempt({ id: 4, at: NOW + 1, redelivery: true }),
    attempt({ id: 7, at: NOW + 2, redelivery: true, ok: true }),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(tries, { minLength: 3 }), (order) => {
      const row = order.reduce<MissedRow | null>((known, one) => noted(known, one), null);
      expect(row).toMatchObject({ id: 7, at: NOW + 2, ok: true });
    }),
  );
});

test("the log is walked back to where the last walk began, with an overlap, three days at most", () => {
  const first: Walk = { until: null, top: null, cursor: null };
  expect(since(first, NOW)).toBe(NOW - KEPT_BY_GITHUB);
  const half = walked(first, { next: "c2", oldest: NOW - MINUTE }, NOW);
  expect(half).toEqual({ until: null, top: NOW, cursor: "c2" });
  // The next sweep goes on where this one stopped, and the walk counts from when it began.
  const whole = walked(half, { next: null, oldest: NOW - 2 * MINUTE }, NOW + 2 * MINUTE);
  expect(whole).toEqual({ until: NOW, top: null, cursor: null });
  expect(since(whole, NOW + 4 * MINUTE)).toBe(NOW - 10 * MINUTE);
  const back = walked(whole, { next: "c9", oldest: NOW - 11 * MINUTE }, NOW + 4 * MINUTE);
  expect(back).toEqual({ until: NOW + 4 * MINUTE, top: null, cursor: null });
});

test("what fails for ever is asked for ten times within three days, and then no more", () => {
  let row = noted(null, attempt());
  let now = NOW;
  let asked = 0;
  while (row !== null) {
    now = Math.max(now, row.dueAt);
    row = afterAsking(row, now);
    if (row !== null) asked += 1;
  }
  expect(asked).toBe(10);
  expect(now - NOW).toBeLessThan(KEPT_BY_GITHUB);
});
