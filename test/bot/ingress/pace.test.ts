import { expect, test } from "vitest";
import { Pace } from "../../../src/bot/objects/inbox/pace.ts";

const came = (count: number, bytes: number, at = 1_000) => {
  const pace = new Pace();
  for (let n = 0; n < count; n += 1) pace.came(at, bytes);
  return pace;
};

test("few deliveries are handled at once", () => {
  expect(came(31, 1_000).turn(1_000)).toMatchObject({ pause: 0 });
});

test("many, or many bytes, let handling wait until they are past", () => {
  expect(came(32, 1_000).turn(1_499).pause).toBeGreaterThan(0);
  expect(came(16, 250_000).turn(1_499).pause).toBeGreaterThan(0);
  expect(came(32, 1_000).turn(1_500)).toMatchObject({ pause: 0 });
});
