import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { specification, type World, world } from "./world.ts";

let here: World;
beforeEach(async () => {
  here = await world();
});
afterEach(async () => {
  await here.stop();
});

const succeeded: Verdict = { kind: "succeeded", reused: false };

it("a drain that nobody heard ends with the life that said it: the next one is free for work", async () => {
  const { plane } = here;
  const first = await here.start(async () => succeeded);
  await plane.until(() => plane.hellos.length === 1);
  plane.cut();
  await first.drain();
  await first.stop();
  await here.start(async () => succeeded);
  await plane.until(() => plane.hellos.length === 2);
  plane.offer(specification("11-1.0"));
  await plane.until(() => plane.finished("11-1.0").length > 0);
  // What is kept is told after the hello, so a drain among it would speak for the new life.
  expect(plane.control.map(({ body }) => body.kind)).toEqual(["accept", "started", "finished"]);
  expect(plane.unkept.filter(({ kind }) => kind === "drain")).toEqual([]);
});

it("a drain is said again after each connection", async () => {
  const { plane } = here;
  const agent = await here.start(() => new Promise<Verdict>(() => {}));
  await plane.until(() => plane.hellos.length === 1);
  plane.offer(specification("11-1.0"));
  await plane.until(() => plane.control.some(({ body }) => body.kind === "started"));
  void agent.drain();
  const drains = () => plane.unkept.filter(({ kind }) => kind === "drain").length;
  await plane.until(() => drains() === 1);
  plane.cut();
  await plane.until(() => drains() === 2);
  expect(plane.hellos).toHaveLength(2);
});

it("an attempt whose verdict cannot be written down is not held for ever: the next hello does not name it", async () => {
  const { plane, directory } = here;
  await here.start(async () => {
    // Where the verdict would be written first. A full disk is the usual reason; a folder refuses as well.
    await mkdir(join(directory, "attempts/11-1.0-1/attempt.json.new"));
    return succeeded;
  });
  await plane.until(() => plane.hellos.length === 1);
  plane.offer(specification("11-1.0"));
  await plane.until(() => plane.control.some(({ body }) => body.kind === "started"));
  await said(/^failed: EISDIR/u);
  plane.cut();
  await plane.until(() => plane.hellos.length === 2);
  expect(plane.hellos[1]?.running).toEqual([]);
  expect(plane.finished("11-1.0")).toEqual([]);
});

/** Waits for a line to the operator; the test's own limit ends the wait. */
async function said(line: RegExp): Promise<void> {
  while (!here.said.some((each) => line.test(each)))
    await new Promise((resolve) => setImmediate(resolve));
}
