import { afterEach, expect, it, vi } from "vitest";
import { type AttemptClaims, withClaims } from "../../../src/bot/channel/index.ts";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { enrolled, TestRunner } from "../fleet/runner.ts";
import { bindings, newFleet, newJob, spyRuns } from "../fleet/world.ts";
import { attribute, evaluating } from "../run/harness.ts";

/**
 * Hydra, 2026: any builder could finish another one's step, or have an address to upload to made for it. Here whoever
 * finishes a job must hold its attempt, and what one attempt may write to is its own.
 */

afterEach(() => void vi.restoreAllMocks());

const done = (digest: string) =>
  ({
    kind: "finished",
    verdict: { kind: "succeeded", reused: false },
    digest: digest.repeat(64),
  }) as const;

it("a runner that does not hold the attempt finishes nothing; the one that does, does", async () => {
  const runs = spyRuns();
  const { account, fleet } = newFleet();
  const connect = async () => {
    const runner = await TestRunner.connect(fleet, await enrolled(fleet, account));
    runner.hello({});
    await runner.nth("welcome", 0);
    return runner;
  };
  const holder = await connect();
  const job = newJob();
  await fleet.enqueue(account, job);
  await holder.offer(job.job, 1);
  const about = { job: job.job, attempt: 1 };
  holder.tell({ kind: "accept" }, about);
  holder.tell({ kind: "started" }, about);
  const thief = await connect();
  thief.tell(done("e"), about);
  await thief.next((frame) => frame.ack >= 1);
  expect(runs.told.some(({ call }) => call === "finished")).toBe(false);
  holder.tell(done("d"), about);
  await runs.waitFor(1, "finished");
  expect(runs.told.filter(({ call }) => call === "finished")).toMatchObject([
    { job: job.job, attempt: 1, digest: "d".repeat(64) },
  ]);
});

it("an attempt that another followed finishes nothing, and no verdict takes another's place", () =>
  evaluating({}, async ({ run, finish }) => {
    await run.offered("42-1.1", 1, "r1", null);
    await run.offered("42-1.1", 2, "r2", null);
    expect(await finish(1, { kind: "succeeded", reused: false }, 1)).toBe("refused");
    expect(await finish(1, { kind: "succeeded", reused: false }, 2)).toBe("applied");
    expect(await finish(1, { kind: "cancelled", by: "thief" }, 2)).toBe("refused");
  }));

it("nor does it write anything: it is told that it is over, and what it says is nowhere", () =>
  evaluating({}, async ({ run, frame }) => {
    await run.offered("42-1.1", 1, "r1", null);
    await run.offered("42-1.1", 2, "r2", null);
    const found = { kind: "attributes" as const, attributes: [attribute("a")] };
    expect((await frame(1, found, { attempt: 1 })).join()).toContain("stale");
    expect(await run.attributes(0, 10)).toEqual([]);
    expect((await frame(1, found, { attempt: 2 })).join()).not.toContain("stale");
    expect(await run.attributes(0, 10)).toHaveLength(1);
  }));

it("another run's job is no job of this one", () =>
  evaluating({}, async ({ run }) => {
    const verdict = { kind: "succeeded", reused: false } as const;
    for (const job of ["42-2.1", "43-1.1", "42-1", "42-1.7"])
      expect(await run.finished(job, 1, verdict, "d".repeat(64)), job).toEqual({
        applied: "refused",
      });
  }));

it.each<[string, Partial<AttemptClaims>]>([
  ["another attempt", { attempt: 2 }],
  ["another job", { job: "3-9.1" }],
  ["another account's host", { host: "evil.example" }],
])("a token for %s writes to no log of this one", async (_name, change) => {
  const claims: AttemptClaims = {
    host: bindings.GITHUB_HOST,
    account: 1,
    installation: 2,
    repository: 3,
    run: "3-9",
    job: "3-9.0",
    attempt: 1,
    runner: "r1",
    key: "",
    expiresAt: Date.now() + 60_000,
  };
  const log = bindings.LOG.getByName(objectName.log(claims.host, claims.job, claims.attempt));
  const status = async (of: AttemptClaims) =>
    (await log.fetch(withClaims("https://worker/runner/log", of))).status;
  expect(await status({ ...claims, ...change })).toBe(403);
  expect(await status(claims)).toBe(101);
});
