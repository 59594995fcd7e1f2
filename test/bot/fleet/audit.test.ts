import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { enrolled, TestRunner } from "./runner.ts";
import { newFleet, newJob, spyRuns } from "./world.ts";

/** What runners and control plane refuse each other is in the account's audit log. */

let runs: ReturnType<typeof spyRuns>;
beforeEach(() => {
  runs = spyRuns();
});
afterEach(() => vi.restoreAllMocks());

async function connected() {
  const { account, fleet } = newFleet();
  const one = await enrolled(fleet, account);
  const runner = await TestRunner.connect(fleet, one);
  runner.hello();
  await runner.nth("welcome", 0);
  const lines = async () => await fleet.audit(account, null, 100);
  const untilLines = async (count: number) => {
    await vi.waitUntil(async () => (await lines()).length >= count, { timeout: 20_000 });
    return await lines();
  };
  return { account, fleet, runner, name: one.reply.runner, lines, untilLines };
}

const DIGEST = "c".repeat(64);
const refused = (refusal: "signature" | "replayed" | "policy") =>
  ({ kind: "refused", refusal, reason: `because of ${refusal}`, digest: DIGEST }) as const;

it("an offer that its runner refuses goes to nobody by that number again, and its reason is kept", async () => {
  const { account, fleet, runner, name, untilLines } = await connected();
  const { job } = newJob();
  await fleet.enqueue(account, { ...newJob(), job });
  await runner.offer(job, 1);
  const at = Date.now();
  runner.tell(refused("signature"), { job, attempt: 1 });
  const [line] = await untilLines(1);
  expect(line).toMatchObject({
    by: "runner",
    runner: name,
    job,
    attempt: 1,
    what: "signature",
    reason: "because of signature",
    digest: DIGEST,
    times: 1,
  });
  expect(line?.at).toBeGreaterThanOrEqual(at);
  await runner.offer(job, 2);
});

it("what a runner has taken is not ended by a copy of its offer that it refuses", async () => {
  const { account, fleet, runner, lines, untilLines } = await connected();
  const request = newJob();
  const { job } = request;
  await fleet.enqueue(account, request);
  await runner.offer(job, 1);
  // The copy may be looked at before the offer itself is answered.
  runner.tell(refused("replayed"), { job, attempt: 1 });
  runner.tell({ kind: "accept" }, { job, attempt: 1 });
  runner.tell(refused("signature"), { job, attempt: 1 });
  runner.tell({ kind: "started" }, { job, attempt: 1 });
  runner.tell(refused("replayed"), { job, attempt: 1 });
  await runs.waitFor(1, "started");
  await untilLines(2);
  await vi.waitUntil(async () => (await lines()).some(({ times }) => times === 2));
  expect(await lines()).toMatchObject([
    { what: "signature", times: 1 },
    { what: "replayed", times: 2 },
  ]);
  expect(await fleet.holds(job, 1)).toBe(true);
});

it("what could not be read is refused without a name, and of a job that nobody knows", async () => {
  const { runner, untilLines } = await connected();
  runner.tell(refused("signature"), null);
  runner.tell(refused("policy"), { job: "99-9.9", attempt: 3 });
  expect(await untilLines(2)).toMatchObject([
    { what: "policy", job: "99-9.9", attempt: 3 },
    { what: "signature", job: null, attempt: null },
  ]);
});

it("what is said of an old attempt, or of a job that is not there, is refused with the reason", async () => {
  const { account, fleet, runner, lines, untilLines } = await connected();
  const request = newJob();
  const { job } = request;
  await fleet.enqueue(account, request);
  await runner.offer(job, 1);
  runner.tell({ kind: "decline", reason: "no free slot" }, { job, attempt: 1 });
  await runner.offer(job, 2);
  expect(await lines()).toEqual([]);
  const verdict = { kind: "succeeded", reused: false } as const;
  runner.tell({ kind: "finished", verdict, digest: DIGEST }, { job, attempt: 1 });
  runner.tell({ kind: "started" }, { job: "99-9.8", attempt: 1 });
  expect(await untilLines(2)).toMatchObject([
    { by: "fleet", job: "99-9.8", what: "stale", reason: "started: the job is not known" },
    {
      by: "fleet",
      job,
      attempt: 1,
      what: "stale",
      reason: "finished: a newer attempt was offered",
    },
  ]);
  expect(runs.told.filter(({ call }) => call === "finished")).toEqual([]);
  expect(await fleet.holds(job, 2)).toBe(true);
});

it("an ordinary job leaves no line", async () => {
  const { account, fleet, runner, lines } = await connected();
  const request = newJob();
  const { job } = request;
  await fleet.enqueue(account, request);
  await runner.offer(job, 1);
  runner.tell({ kind: "accept" }, { job, attempt: 1 });
  runner.tell({ kind: "started" }, { job, attempt: 1 });
  const verdict = { kind: "succeeded", reused: false } as const;
  runner.tell({ kind: "finished", verdict, digest: DIGEST }, { job, attempt: 1 });
  await runs.waitFor(1, "finished");
  runner.say({ kind: "renew", attempts: [{ job, attempt: 1 }] });
  await runner.nth("forget", 0);
  expect(await lines()).toEqual([]);
});
