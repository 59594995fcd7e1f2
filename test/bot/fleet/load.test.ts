import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { enrolled, TestRunner } from "./runner.ts";
import { newFleet, newJob, spyRuns } from "./world.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("two hundred jobs over four runners: slots are never exceeded, each job is done once, none is declined", async () => {
  const runs = spyRuns();
  const { account, fleet } = newFleet();
  const verdict = { kind: "succeeded", reused: false } as const;
  let most = 0;
  const runners = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const socket = await TestRunner.connect(fleet, await enrolled(fleet, account));
      let held = 0;
      socket.hello({ slots: 3 });
      void (async () => {
        for (let taken = 0; ; taken += 1) {
          const offer = await socket.nth("offer", taken);
          held += 1;
          most = Math.max(most, held);
          const about = { job: offer.job ?? "", attempt: offer.attempt ?? 0 };
          socket.tell({ kind: "accept" }, about);
          socket.tell({ kind: "started" }, about);
          held -= 1;
          socket.tell({ kind: "finished", verdict, digest: "d".repeat(64) }, about);
        }
      })();
      await socket.next((frame) => frame.body.kind === "welcome");
      return socket;
    }),
  );
  // Of one run: what is measured is the Fleet, not two hundred new Run objects.
  const { run } = newJob();
  const job = (index: number) => newJob({ run, job: `${run}.${index}` });
  const before = performance.now();
  await Promise.all(Array.from({ length: 200 }, (_, index) => fleet.enqueue(account, job(index))));
  await runs.waitFor(200, "finished");
  const seconds = (performance.now() - before) / 1_000;
  const jobs = runs.told.filter(({ call }) => call === "finished").map(({ job }) => job);
  expect(new Set(jobs).size).toBe(200);
  expect(jobs).toHaveLength(200);
  expect(runs.told.filter(({ call }) => call === "offered")).toHaveLength(200);
  expect(most).toBeLessThanOrEqual(3);
  // Quadratic work on the queue would show here first; 1 to 3 s is usual.
  expect(seconds).toBeLessThan(20);
  console.info(`fleet: 200 jobs, 600 frames in ${seconds.toFixed(2)} s`);
  for (const socket of runners) socket.close();
  await runInDurableObject(fleet, (_, { storage }) => {
    const count = (table: string) =>
      storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n;
    expect([count("outbox"), count("job_request"), count("job")]).toEqual([0, 0, 200]);
  });
  const now = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(now + 8 * 24 * 3_600_000);
  await fleet.wake();
  await runInDurableObject(fleet, (_, { storage }) => {
    expect(storage.sql.exec("SELECT 1 FROM job").toArray()).toEqual([]);
    expect(storage.sql.exec("SELECT 1 FROM nonce").toArray()).toEqual([]);
  });
});
