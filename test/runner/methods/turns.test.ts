import { expect, test } from "vitest";
import { Turns } from "../../../src/runner/deploy/methods/turns.ts";

const never = new AbortController().signal;
/** Everything that can go on by itself has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("CLAN-5: one at a time, in the order of asking; another tool's has no part in it", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const taken = (name: string, tool = "clan") =>
    turns.take(tool, never).then((end) => {
      order.push(name);
      return end;
    });
  const [first, second, third] = [taken("first"), taken("second"), taken("third")];
  const other = taken("other", "colmena");
  await settled();
  expect(order.toSorted()).toEqual(["first", "other"]);
  (await first)?.();
  await settled();
  expect(order).toContain("second");
  expect(order).not.toContain("third");
  (await second)?.();
  (await third)?.();
  (await other)?.();
  expect(await turns.take("clan", never)).not.toBeNull();
});

test("who is cancelled while he waits leaves the line, and nobody overtakes who has the turn", async () => {
  const turns = new Turns();
  const first = await turns.take("clan", never);
  const cancel = new AbortController();
  const second = turns.take("clan", cancel.signal);
  let third = false;
  const waiting = turns.take("clan", never).then((end) => {
    third = true;
    return end;
  });
  cancel.abort();
  expect(await second).toBeNull();
  await settled();
  expect(third).toBe(false);
  first?.();
  expect(await waiting).not.toBeNull();
  expect(await turns.take("clan", AbortSignal.abort())).toBeNull();
});
