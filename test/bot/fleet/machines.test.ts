import { afterEach, expect, it, vi } from "vitest";
import { enrolled, TestRunner } from "./runner.ts";
import { newFleet, newJob, spyRuns } from "./world.ts";

const key = (letter: string) => `SHA256:${letter.repeat(43)}`;
const [WEB, DB] = [key("w"), key("d")];
afterEach(() => void vi.restoreAllMocks());

const observe = (hostKey: string) =>
  newJob({
    kind: "observe",
    pool: "deploy",
    needs: { system: null, features: [] },
    work: { kind: "observe", machines: [{ name: "web", hostKey }], connectSeconds: 5 },
  });

/** A runner of a pool whose policy names these machines for these repositories. */
async function naming(
  { account, fleet }: ReturnType<typeof newFleet>,
  pool: "trusted" | "deploy",
  ...targets: [name: string, hostKey: string, repositories: number[]][]
): Promise<TestRunner> {
  const socket = await TestRunner.connect(fleet, await enrolled(fleet, account, { pool }));
  socket.hello({
    slots: 4,
    targets: targets.map(([name, hostKey, repositories]) => ({ name, hostKey, repositories })),
  });
  await socket.nth("welcome", 0);
  return socket;
}

it("knows the machines that deploy runners name for a repository, and asks nobody for them", async () => {
  const of = newFleet();
  await naming(of, "deploy", ["web", WEB, [11, 12]], ["db", DB, [12]]);
  await naming(of, "trusted", ["mine", key("m"), [11]]);
  const machines = (repository: number) => of.fleet.machines(of.account, repository);
  expect(await machines(11)).toEqual([{ name: "web", hostKey: WEB, online: true }]);
  expect((await machines(12)).map(({ name }) => name)).toEqual(["db", "web"]);
  expect(await machines(13)).toEqual([]);
  await naming(of, "deploy", ["web", DB, [11]]);
  expect((await machines(11)).map(({ hostKey }) => hostKey)).toEqual([DB, WEB]);
});

it("hands a machine's job to the runner that names it for the repository, and to no other", async () => {
  spyRuns();
  const of = newFleet();
  await naming(of, "trusted", ["web", WEB, [11]]);
  const foreign = await naming(of, "deploy", ["web", WEB, [12]], ["db", DB, [11]]);
  const job = observe(WEB);
  const nobody = await of.fleet.enqueue(of.account, job);
  expect(nobody).toMatchObject({ outcome: "no-runner" });
  expect(JSON.stringify(nobody)).toContain(WEB);
  const able = await naming(of, "deploy", ["web", WEB, [11]]);
  expect(await of.fleet.enqueue(of.account, job)).toEqual({ outcome: "queued" });
  const offer = await able.offer(job.job, 1);
  expect(JSON.parse(offer.specification)).toMatchObject({ pool: "deploy", work: job.work });
  expect(foreign.frames.map(({ body }) => body.kind)).not.toContain("offer");
});

it("goes by what a runner's policy names now: what is added and taken out while it is connected", async () => {
  spyRuns();
  const of = newFleet();
  const runner = await naming(of, "deploy", ["web", WEB, [11]]);
  const stranger = await naming(of, "trusted", ["web", WEB, [11]]);
  const names = async () =>
    (await of.fleet.machines(of.account, 11)).map(({ hostKey }) => hostKey).toSorted();
  const job = observe(DB);
  expect(await of.fleet.enqueue(of.account, job)).toMatchObject({ outcome: "no-runner" });
  // No other pool's word counts, however it is said.
  stranger.say({ kind: "targets", targets: [{ name: "db", hostKey: DB, repositories: [11] }] });
  runner.say({
    kind: "targets",
    targets: [
      { name: "web", hostKey: WEB, repositories: [11] },
      { name: "db", hostKey: DB, repositories: [11] },
    ],
  });
  await vi.waitUntil(async () => (await names()).length === 2, { timeout: 20_000 });
  expect(await of.fleet.enqueue(of.account, job)).toEqual({ outcome: "queued" });
  await runner.offer(job.job, 1);
  expect(await names()).toEqual([DB, WEB].toSorted());
  runner.say({ kind: "targets", targets: [] });
  await vi.waitUntil(async () => (await names()).length === 0, { timeout: 20_000 });
});

/** A job of one run whose results are for these machines. */
const near = (n: number, machines: string[], change: Parameters<typeof newJob>[0] = {}) =>
  newJob({ pool: "deploy", job: `11-900.${n}`, run: "11-900", near: machines, ...change });

it("keeps what is made for machines with a runner that may change all of them, whoever else is free", async () => {
  spyRuns();
  const of = newFleet();
  const other = await naming(of, "deploy", ["web", WEB, [11]]);
  const whole = await naming(of, "deploy", ["web", WEB, [11]], ["db", DB, [11]]);
  const second = await naming(of, "deploy", ["web", WEB, [11]], ["db", DB, [11]]);
  await of.fleet.enqueue(of.account, near(0, [WEB, DB]));
  const home = await Promise.race(
    [whole, second].map(async (one) => (await one.offer("11-900.0", 1), one)),
  );
  // The others have more free slots from here on, and what is built, planned and sent is not there.
  await of.fleet.enqueue(of.account, near(1, [WEB, DB], { kind: "build" }));
  await home.offer("11-900.1", 1);
  await of.fleet.enqueue(of.account, near(2, [WEB, DB], { prefer: null }));
  await home.offer("11-900.2", 1);
  expect([whole, second]).toContain(home);
  for (const runner of [other, whole, second])
    if (runner !== home) expect(runner.frames.map(({ body }) => body.kind)).not.toContain("offer");
});

it("says before anything begins that several runners would have to change them, and share nothing", async () => {
  spyRuns();
  const of = newFleet();
  await naming(of, "deploy", ["web", WEB, [11]]);
  const db = await naming(of, "deploy", ["db", DB, [11]]);
  expect(await of.fleet.enqueue(of.account, near(0, [WEB, DB]))).toMatchObject({
    outcome: "no-runner",
    missing: [expect.stringContaining("an exchange that theirs share")],
  });
  expect(await of.fleet.enqueue(of.account, near(1, [DB]))).toEqual({ outcome: "queued" });
  await db.offer("11-900.1", 1);
});
