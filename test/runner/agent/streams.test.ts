import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { LOG_CAP } from "../../../src/runner/log/cap.ts";
import { LOST_TAIL } from "../../../src/runner/log/recover.ts";
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
const bytes = (text: string) => new TextEncoder().encode(text);
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

it("ten thousand small streams share frames, each whole and closed", async () => {
  const { plane } = here;
  const count = 10_000;
  const name = (index: number) => `${"0".repeat(32)}-a${index}.drv`;
  await here.start(
    async (_, { sink }) => {
      let next = 0;
      const builder = async () => {
        while (next < count) {
          const index = next;
          next += 1;
          const log = sink.log(name(index));
          await log.write(bytes(`building ${index}\n`));
          await log.close();
        }
      };
      await Promise.all(Array.from({ length: 32 }, builder));
      return succeeded;
    },
    { clock: systemClock },
  );
  await plane.until(() => plane.hellos.length > 0);
  let frames = 0;
  plane.admit = (path) => {
    if (path.endsWith("/log")) frames += 1;
    return true;
  };
  const before = performance.now();
  plane.offer(specification("11-1.0"));
  await plane.until(() => plane.finished("11-1.0").length > 0);
  const seconds = (performance.now() - before) / 1_000;
  expect(plane.closed.size).toBe(count);
  for (const index of [0, 5_000, 9_999])
    expect(plane.logs.get(name(index))?.toString()).toBe(`building ${index}\n`);
  // 32 at a time: a frame holds what came while the one before it was written.
  expect(frames).toBeLessThan(2_000);
  // A frame and a sync for each part took 18 to 38 s; 2 to 3 s is usual. Only the order of magnitude is asked.
  expect(seconds).toBeLessThan(15);
});

it("a stream above its cap that an agent's death cut off says that its tail is lost", async () => {
  const { plane } = here;
  const large = new Uint8Array(LOG_CAP.head + 100_000).fill(65);
  const wrote = Promise.withResolvers<void>();
  const first = await here.start(async (_, { sink }) => {
    const log = sink.log("job");
    for (let at = 0; at < large.length; at += 60_000)
      await log.write(large.subarray(at, at + 60_000));
    await sink.attributes([]);
    wrote.resolve();
    return await new Promise<Verdict>(() => {});
  });
  await plane.until(() => plane.hellos.length > 0);
  plane.offer(specification("11-1.0"));
  await wrote.promise;
  await plane.until(() => plane.logs.get("job")?.length === LOG_CAP.head);
  await first.stop();
  plane.cut();
  await here.start(async () => succeeded);
  await plane.until(() => plane.finished("11-1.0").length > 0);
  const log = plane.logs.get("job") ?? Buffer.alloc(0);
  expect(log.subarray(LOG_CAP.head).toString()).toBe(LOST_TAIL);
  expect(plane.closed.get("job")).toMatchObject({ size: log.length, sha256: sha256(log) });
});
