import { expect, it } from "vitest";
import type { Clock } from "../../../src/runner/agent/clock.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { offered } from "../../../src/runner/deploy/policy/offered.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { policyJson } from "./support.ts";

/** What a deploy runner's policy names is told anew when its operator changes it, without a restart. */

function ticking() {
  const waiting: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (_ms, callback) => {
      waiting.push(callback);
      return () => void waiting.splice(waiting.indexOf(callback), 1);
    },
  };
  return { clock, waiting };
}

it("tells what is added and taken out; what cannot be read changes nothing, and is complained of once", async () => {
  const { clock, waiting } = ticking();
  const said: string[] = [];
  const whole = policyJson();
  const { web } = whole.machines;
  let policy: unknown = { ...whole, machines: { web } };
  const told = await offered(
    async () => DeployPolicy.parse(policy),
    "github.com",
    clock,
    (line) => said.push(line),
  );
  const changes: string[][] = [];
  let looked = Promise.withResolvers<void>();
  const names = () => told.targets().map(({ name }) => name);
  const stop = told.watch(() => changes.push(names()));
  const look = async () => {
    looked = Promise.withResolvers();
    waiting.shift()?.();
    // It looks again only when it has looked.
    const poll = setInterval(() => waiting.length > 0 && looked.resolve(), 1);
    await looked.promise;
    clearInterval(poll);
  };
  expect(names()).toEqual(["web"]);
  await look();
  expect(changes).toEqual([]);
  policy = whole;
  await look();
  policy = "nothing";
  await look();
  await look();
  expect(names()).toEqual(["web", "db"]);
  expect(said.filter((line) => line.includes("cannot be read"))).toHaveLength(1);
  policy = { ...whole, machines: {} };
  await look();
  expect(changes).toEqual([["web", "db"], []]);
  stop();
  expect(waiting).toEqual([]);
});
