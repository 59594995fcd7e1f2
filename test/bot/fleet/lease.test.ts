import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LEASE } from "../../../src/protocol/control.ts";
import { enrolled, TestRunner } from "./runner.ts";
import { newFleet, newJob, spyRuns } from "./world.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const digest = "d".repeat(64);
const succeeded = {
  kind: "finished",
  verdict: { kind: "succeeded", reused: false },
  digest,
} as const;
/** The object's clock is this test's: both read Date in one isolate. */
const later = (ms: number) => {
  const at = Date.now() + ms;
  vi.spyOn(Date, "now").mockReturnValue(at);
};

async function running() {
  const runs = spyRuns();
  const { account, fleet } = newFleet();
  const runner = await enrolled(fleet, account);
  const stream = crypto.randomUUID();
  const socket = await TestRunner.connect(fleet, runner);
  socket.hello({ stream });
  const job = newJob();
  await fleet.enqueue(account, job);
  await socket.offer(job.job, 1);
  const about = { job: job.job, attempt: 1 };
  socket.tell({ kind: "accept" }, about);
  socket.tell({ kind: "started" }, about);
  await socket.next((frame) => frame.ack >= 2);
  await runs.waitFor(1, "started");
  // None is left that could go off in the middle of a test, when its clock has been moved.
  await runDurableObjectAlarm(fleet);
  return { runs, account, fleet, runner, stream, socket, about };
}

describe("a lease", () => {
  it("that is not renewed makes the attempt suspect: another runner gets the next, and the first is told to forget", async () => {
    const { runs, account, fleet, socket, about } = await running();
    later(LEASE.duration + 1);
    const other = await TestRunner.connect(fleet, await enrolled(fleet, account));
    other.hello();
    await runDurableObjectAlarm(fleet);
    await other.offer(about.job, 2);
    await socket.next((frame) => frame.body.kind === "forget" && frame.attempt === 1);
    socket.tell(succeeded, about);
    await socket.next((frame) => frame.ack >= 3);
    expect(runs.told.filter(({ call }) => call === "finished")).toEqual([]);
    expect(await fleet.holds(about.job, 2)).toBe(true);
  });

  it("that is renewed holds; nobody else is offered the job", async () => {
    const { account, fleet, socket, about } = await running();
    later(LEASE.duration - 1_000);
    socket.say({ kind: "renew", attempts: [about] });
    socket.tell({ kind: "decline", reason: "of another job" }, { job: "1-1.0", attempt: 1 });
    await socket.next((frame) => frame.ack >= 3);
    later(LEASE.duration - 1_000);
    const other = await TestRunner.connect(fleet, await enrolled(fleet, account));
    other.hello();
    await other.next((frame) => frame.body.kind === "welcome");
    await runDurableObjectAlarm(fleet);
    expect(await fleet.holds(about.job, 1)).toBe(true);
  });

  it("of a suspect attempt lives on when its runner comes back first", async () => {
    const { runs, fleet, runner, stream, socket, about } = await running();
    socket.close();
    later(LEASE.duration + 1);
    await runDurableObjectAlarm(fleet);
    const again = await TestRunner.connect(fleet, runner);
    again.hello({ stream, running: [about] });
    again.seq = 2;
    again.tell(succeeded, about);
    await runs.waitFor(1, "finished");
    expect(runs.told.at(-1)).toMatchObject({ call: "finished", attempt: 1 });
    expect(runs.told.filter(({ call }) => call === "offered")).toHaveLength(1);
  });

  it("is not judged before its runner had the time to come back from the object's own absence", async () => {
    const { account, fleet, about } = await running();
    later(10 * 60_000);
    await evictDurableObject(fleet, { webSockets: "close" });
    const other = await TestRunner.connect(fleet, await enrolled(fleet, account));
    other.hello();
    await other.next((frame) => frame.body.kind === "welcome");
    await fleet.wake();
    expect(await fleet.holds(about.job, 1)).toBe(true);
    expect(other.frames.some(({ body }) => body.kind === "offer")).toBe(false);
    later(LEASE.reconnect + 1);
    await fleet.wake();
    await other.offer(about.job, 2);
    expect(await fleet.holds(about.job, 1)).toBe(false);
  });
});

describe("an object that hibernates while a job runs", () => {
  it("wakes with the lease, the stream's position and the attempt, over the same socket", async () => {
    const { runs, account, fleet, socket, about } = await running();
    await evictDurableObject(fleet, { webSockets: "hibernate" });
    socket.say({ kind: "renew", attempts: [about] });
    // Said again, as after a lost answer, and counted once; the next number goes on from it.
    socket.say({ kind: "started" }, about, 2);
    socket.tell(succeeded, about);
    await runs.waitFor(1, "finished");
    expect(runs.told.map(({ call }) => call)).toEqual(["offered", "started", "finished"]);
    expect(socket.frames.some(({ body }) => body.kind === "forget")).toBe(false);
    // And it can still be offered something.
    const next = newJob();
    await fleet.enqueue(account, next);
    await socket.offer(next.job, 1);
  });

  it("and loses its alarm: the watchdog judges the lease", async () => {
    const { account, fleet, about } = await running();
    const other = await TestRunner.connect(fleet, await enrolled(fleet, account));
    other.hello();
    await other.next((frame) => frame.body.kind === "welcome");
    await evictDurableObject(fleet, { webSockets: "hibernate" });
    await runInDurableObject(fleet, (_, { storage }) => storage.deleteAlarm());
    later(LEASE.duration - 1_000);
    await fleet.wake();
    expect(await fleet.holds(about.job, 1)).toBe(true);
    later(2_000);
    other.say({ kind: "renew", attempts: [] });
    await fleet.wake();
    await other.offer(about.job, 2);
  });

  it("a clock that goes backwards ends no lease and doubles no attempt", async () => {
    const { runs, fleet, socket, about } = await running();
    later(-60 * 60_000);
    await fleet.wake();
    socket.say({ kind: "renew", attempts: [about] });
    await fleet.wake();
    expect(await fleet.holds(about.job, 1)).toBe(true);
    socket.tell(succeeded, about);
    await runs.waitFor(1, "finished");
    expect(runs.told.filter(({ call }) => call === "offered")).toHaveLength(1);
  });
});

describe("a runner that says hello without what it should hold", () => {
  it("has lost it: the job is offered again, as the next attempt", async () => {
    const { runs, fleet, runner, about } = await running();
    const again = await TestRunner.connect(fleet, runner);
    again.hello({ running: [] });
    await again.offer(about.job, 2);
    expect(
      runs.told.filter(({ call }) => call === "offered").map(({ attempt }) => attempt),
    ).toEqual([1, 2]);
  });
});

describe("an attempt that the runner could not do", () => {
  it("is told to the Run, which knows what of its work is left to be tried again", async () => {
    const { runs, socket, about } = await running();
    socket.tell(
      {
        kind: "finished",
        verdict: { kind: "infrastructure", message: "disk", logTail: "" },
        digest,
      },
      about,
    );
    await runs.waitFor(1, "finished");
    expect(runs.told.filter(({ call }) => call === "finished")).toMatchObject([
      { attempt: about.attempt, verdict: { kind: "infrastructure", message: "disk" } },
    ]);
  });
});

describe("a runner that drains", () => {
  it("is offered nothing until it says hello again", async () => {
    spyRuns();
    const { account, fleet } = newFleet();
    const runner = await enrolled(fleet, account);
    const socket = await TestRunner.connect(fleet, runner);
    socket.hello();
    socket.say({ kind: "drain" });
    const job = newJob();
    // Answered after the drain was heard.
    socket.tell({ kind: "decline", reason: "of another job" }, { job: "1-1.0", attempt: 1 });
    await socket.next((frame) => frame.ack >= 1);
    await fleet.enqueue(account, job);
    await runDurableObjectAlarm(fleet);
    expect(await fleet.holds(job.job, 1)).toBe(false);
    const again = await TestRunner.connect(fleet, runner);
    again.hello();
    await again.offer(job.job, 1);
  });

  it("does not drain for what an earlier life of its agent had put on its way", async () => {
    spyRuns();
    const { account, fleet } = newFleet();
    const socket = await TestRunner.connect(fleet, await enrolled(fleet, account));
    socket.hello();
    socket.tell({ kind: "drain" }, null);
    await socket.next((frame) => frame.ack >= 1);
    const job = newJob();
    await fleet.enqueue(account, job);
    await socket.offer(job.job, 1);
    expect(await fleet.runners(account)).toMatchObject([{ online: true, draining: false }]);
  });
});

describe("a branch that is gone", () => {
  it("is told to the runners that serve its repository, and to no others", async () => {
    spyRuns();
    const { account, fleet } = newFleet();
    const all = await TestRunner.connect(fleet, await enrolled(fleet, account));
    const other = await TestRunner.connect(
      fleet,
      await enrolled(fleet, account, { repositories: [99] }),
    );
    for (const socket of [all, other]) socket.hello();
    await Promise.all(
      [all, other].map((socket) => socket.next((frame) => frame.body.kind === "welcome")),
    );
    await fleet.branchGone(account, 42, "refs/heads/topic");
    await fleet.branchGone(account, 99, "refs/heads/theirs");
    const gone = (frame: { body: { kind: string } }) => frame.body.kind === "branch-gone";
    expect((await all.next(gone)).body).toEqual({
      kind: "branch-gone",
      repository: 42,
      ref: "refs/heads/topic",
    });
    // Told in order: nothing of the first came here.
    expect((await other.next(gone)).body).toMatchObject({ repository: 99 });
  });
});
