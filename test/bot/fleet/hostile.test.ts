import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { enrolled, header, TestRunner, upgrade } from "./runner.ts";
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

/** One runner holds a running job; a second one of the same pool is connected and has none. */
async function holderAndOther() {
  const runs = spyRuns();
  const { account, fleet } = newFleet();
  const runner = await enrolled(fleet, account);
  const stream = crypto.randomUUID();
  const holder = await TestRunner.connect(fleet, runner);
  holder.hello({ stream });
  await holder.next((frame) => frame.body.kind === "welcome");
  const job = newJob();
  await fleet.enqueue(account, job);
  await holder.offer(job.job, 1);
  const about = { job: job.job, attempt: 1 };
  holder.tell({ kind: "accept" }, about);
  holder.tell({ kind: "started" }, about);
  await holder.next((frame) => frame.ack >= 2);
  const second = await enrolled(fleet, account);
  const other = await TestRunner.connect(fleet, second);
  other.hello();
  await other.next((frame) => frame.body.kind === "welcome");
  return { runs, account, fleet, runner, stream, holder, other, about };
}

describe("a runner that speaks of another's job", () => {
  it.each([
    ["says that it finished it", succeeded],
    ["declines it", { kind: "decline", reason: "no" }],
    ["accepts it", { kind: "accept" }],
    ["says that it started it", { kind: "started" }],
  ] as const)("%s: nothing changes", async (_name, body) => {
    const { runs, fleet, holder, other, about } = await holderAndOther();
    other.tell(body, about);
    await other.next((frame) => frame.ack >= 1);
    expect(await fleet.holds(about.job, 1)).toBe(true);
    expect(runs.told.some(({ call }) => call === "finished")).toBe(false);
    holder.tell(succeeded, about);
    await runs.waitFor(1, "finished");
  });

  it("lies in its hello that it runs it: it is told to forget, the holder keeps it", async () => {
    const { fleet, account, other, about, holder, runs } = await holderAndOther();
    const liar = await TestRunner.connect(fleet, await enrolled(fleet, account));
    liar.hello({ running: [about, { job: "99-9.0", attempt: 3 }] });
    await liar.next((frame) => frame.body.kind === "forget" && frame.job === about.job);
    await liar.next((frame) => frame.body.kind === "forget" && frame.job === "99-9.0");
    other.say({ kind: "renew", attempts: [about] });
    await other.next((frame) => frame.body.kind === "forget" && frame.job === about.job);
    expect(await fleet.holds(about.job, 1)).toBe(true);
    holder.tell(succeeded, about);
    await runs.waitFor(1, "finished");
  });

  it("names attempts that were never offered: nothing changes", async () => {
    const { runs, fleet, holder, about } = await holderAndOther();
    for (const attempt of [2, 3, 1_000]) holder.tell(succeeded, { job: about.job, attempt });
    await holder.next((frame) => frame.ack >= 5);
    expect(await fleet.holds(about.job, 1)).toBe(true);
    expect(runs.told.some(({ call }) => call === "finished")).toBe(false);
  });
});

describe("two sockets of one runner", () => {
  it("the newest one speaks: what the older one still says is not heard", async () => {
    const { fleet, runner, stream, holder, about } = await holderAndOther();
    const id = runner.reply.runner;
    const older = await runInDurableObject(fleet, (_, state) => state.getWebSockets(id)[0]);
    const again = await TestRunner.connect(fleet, runner);
    again.hello({ stream, running: [about] });
    await again.next((frame) => frame.body.kind === "welcome");
    // It was on its way when the socket was replaced, and says that the runner has lost everything.
    const late = { v: 1, seq: 0, ack: 0, job: null, attempt: null, sig: null };
    await runInDurableObject(fleet, async (object) => {
      if (older === undefined) throw new Error("the runner has no socket");
      await object.webSocketMessage(
        older,
        JSON.stringify({ ...late, body: { kind: "renew", attempts: [] } }),
      );
    });
    expect(await fleet.holds(about.job, 1)).toBe(true);
    expect(await holder.closed).toBe(4001);
    again.say({ kind: "renew", attempts: [about] });
    again.seq = 2;
    again.tell({ kind: "decline", reason: "of another" }, { job: "1-1.0", attempt: 1 });
    await again.next((frame) => frame.ack >= 3);
    expect(await fleet.holds(about.job, 1)).toBe(true);
  });
});

describe("a runner that the operator retires", () => {
  it("is cut off for good; its attempt is lost and goes to another", async () => {
    const { fleet, account, runner, holder, other, about } = await holderAndOther();
    const id = runner.reply.runner;
    expect((await fleet.runners(account)).map((each) => [each.runner === id, each.used])).toEqual(
      expect.arrayContaining([
        [true, 1],
        [false, 0],
      ]),
    );
    expect(await fleet.retire(account, id)).toBe(true);
    expect(await fleet.retire(account, id)).toBe(false);
    expect(await holder.closed).toBe(4003);
    expect((await upgrade(fleet, await header(runner))).status).toBe(403);
    expect(await fleet.holds(about.job, 1)).toBe(false);
    await other.offer(about.job, 2);
    expect(await fleet.runners(account)).toHaveLength(1);
  });

  it("and was the last that could: what waits ends as no-runner", async () => {
    const runs = spyRuns();
    const { account, fleet } = newFleet();
    const runner = await enrolled(fleet, account);
    const job = newJob();
    expect(await fleet.enqueue(account, job)).toEqual({ outcome: "queued" });
    await fleet.retire(account, runner.reply.runner);
    await runs.waitFor(1, "finished");
    expect(runs.told).toMatchObject([
      { call: "finished", job: job.job, verdict: { kind: "no-runner" } },
    ]);
  });

  it("of another account is not touched", async () => {
    const { runner } = await holderAndOther();
    const stranger = newFleet();
    await enrolled(stranger.fleet, stranger.account);
    expect(await stranger.fleet.retire(stranger.account, runner.reply.runner)).toBe(false);
  });
});

describe("a job whose only runner never comes", () => {
  it("ends a day later as no-runner", async () => {
    const runs = spyRuns();
    const { account, fleet } = newFleet();
    await enrolled(fleet, account);
    const job = newJob();
    await fleet.enqueue(account, job);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(now + 23 * 3_600_000);
    await fleet.wake();
    expect(runs.told).toEqual([]);
    clock.mockReturnValue(now + 25 * 3_600_000);
    await fleet.wake();
    await runs.waitFor(1, "finished");
    expect(runs.told).toMatchObject([{ verdict: { kind: "no-runner" } }]);
  });
});
