import { afterEach, beforeEach, expect, it } from "vitest";
import type { Clock } from "../../../src/runner/agent/clock.ts";
import { longest, STOPS_WITHIN } from "../../../src/runner/agent/limit.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { quickClock, specification, type World, world } from "./world.ts";

let here: World;
beforeEach(async () => {
  here = await world();
});
afterEach(async () => {
  await here.stop();
});

const succeeded: Verdict = { kind: "succeeded", reused: false };
const never = () => new Promise<Verdict>(() => {});

/** Waits of exactly `ms` pass when the test says so; all others as usual. */
function clockThatHolds(...held: number[]): { clock: Clock; pass: (ms: number) => void } {
  const waiting = new Map<number, () => void>();
  return {
    clock: {
      ...quickClock,
      after(ms, callback) {
        if (!held.includes(ms)) return quickClock.after(ms, callback);
        waiting.set(ms, callback);
        return () => void waiting.delete(ms);
      },
    },
    pass: (ms) => waiting.get(ms)?.(),
  };
}
const started = () =>
  here.plane.until(() => here.plane.control.some(({ body }) => body.kind === "started"));
const finished = async () => {
  await here.plane.until(() => here.plane.finished("11-1.0").length > 0);
  return here.plane.finished("11-1.0")[0]?.body;
};

it("a job that takes longer than its limits together is stopped, and timed out", async () => {
  const offered = specification("11-1.0");
  const { clock, pass } = clockThatHolds(longest(offered) * 1_000);
  const ran = Promise.withResolvers<void>();
  await here.start(
    async (_, { signal }) => {
      ran.resolve();
      await new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(new Error("stopped"))),
      );
      return succeeded;
    },
    { clock },
  );
  await here.plane.until(() => here.plane.hellos.length > 0);
  here.plane.offer(offered);
  await ran.promise;
  pass(longest(offered) * 1_000);
  expect(await finished()).toMatchObject({
    verdict: { kind: "timed-out", limitSeconds: longest(offered) },
  });
});

it("a job that does not stop when it is cancelled keeps neither its slot nor its verdict", async () => {
  const { clock, pass } = clockThatHolds(STOPS_WITHIN);
  await here.start(never, { clock, slots: 1 });
  await here.plane.until(() => here.plane.hellos.length > 0);
  here.plane.offer(specification("11-1.0"));
  await started();
  const ran = here.plane.until(() => here.plane.finished("11-1.0").length > 0);
  here.plane.tell({ kind: "cancel", reason: "a person" }, { job: "11-1.0", attempt: 1 });
  // The cancel arms the wait; it passes as often as it takes to be there.
  const passing = setInterval(() => pass(STOPS_WITHIN), 2);
  await ran;
  clearInterval(passing);
  expect(await finished()).toMatchObject({ verdict: { kind: "cancelled", by: "a person" } });
});

it("the longest time follows the work, and ends before the attempt's token", () => {
  const evaluate = specification("11-1.0");
  const { work } = evaluate;
  if (work.kind !== "evaluate") throw new Error(`a job of kind ${work.kind}`);
  const build = (count: number, buildSeconds: number) =>
    longest({
      work: {
        ...work,
        kind: "build",
        derivations: Array.from({ length: count }, () => ({
          selection: 0,
          path: ["a"],
          drv: `/nix/store/${"0".repeat(32)}-a.drv`,
        })),
        limits: { ...work.limits, buildSeconds },
      },
    });
  expect(longest(evaluate)).toBe(1_872);
  expect(build(1, 60)).toBe(1_800 + 1.2 * 180);
  expect(build(10, 60)).toBeGreaterThan(build(1, 60));
  expect(build(1_000, 14_400)).toBe(20 * 3_600);
  const machine = { name: "a", hostKey: `SHA256:${"a".repeat(43)}` };
  const observe = { kind: "observe" as const, machines: [machine, machine], connectSeconds: 10 };
  expect(longest({ work: observe })).toBe(1_800 + 1.2 * 20);
});

it("a slot is free when its job is over, not when the control plane has said so", async () => {
  const { plane } = here;
  // Everything is committed, the answer to the verdict is lost: as an offer that overtakes the acknowledgement.
  plane.acknowledge = (_path, { body, job }) =>
    !(job === "11-1.0" && (body as { kind: string }).kind === "finished");
  let offered = false;
  plane.admit = (_path, { body, job }) => {
    if (!offered && job === "11-1.0" && (body as { kind: string }).kind === "finished") {
      offered = true;
      plane.offer(specification("11-2.0"));
    }
    return true;
  };
  await here.start(async () => succeeded, { slots: 1 });
  await plane.until(() => plane.hellos.length > 0);
  plane.offer(specification("11-1.0"));
  await plane.until(() => plane.finished("11-2.0").length > 0);
  expect(plane.control.filter(({ body }) => body.kind === "decline")).toEqual([]);
});

it("a clone token is asked for again while the control plane is away, and not when it is refused", async () => {
  const { plane } = here;
  plane.tokenAnswers = [500, 503, 429];
  await here.start(async (_, { cloneToken }) => {
    await cloneToken();
    return succeeded;
  });
  await plane.until(() => plane.hellos.length > 0);
  plane.offer(specification("11-1.0"));
  expect(await finished()).toMatchObject({ verdict: succeeded });
  plane.tokenAnswers = [403, 403];
  plane.offer(specification("11-2.0"));
  await plane.until(() => plane.finished("11-2.0").length > 0);
  expect(plane.finished("11-2.0")[0]?.body).toMatchObject({
    verdict: { kind: "infrastructure", message: expect.stringContaining("403") },
  });
  expect(plane.tokenAnswers).toEqual([403]);
});
