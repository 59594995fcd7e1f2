import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { DesiredCheck } from "../../../src/bot/objects/contracts.ts";
import type { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { FakeGitHub } from "./github.ts";

const HEAD = "a".repeat(40);
let object = 0;
let github: FakeGitHub;
let stub: DurableObjectStub<Writer>;
let now: number;

beforeEach(async () => {
  vi.restoreAllMocks();
  github = new FakeGitHub();
  github.install();
  now = Date.now();
  // An object of its own for each test: nothing is left over from the one before.
  object += 1;
  stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/${object}`);
  await setClock();
});

async function setClock(): Promise<void> {
  await runInDurableObject(stub, (writer) => {
    writer.clock = () => now;
  });
}

const OPEN =
  "SELECT count(*) AS open FROM effect WHERE state IN ('sending', 'unknown') OR (state = 'idle' AND (shown < version OR annotated < annotations))";

/** Runs alarms, each at its time by the object's clock, until GitHub shows everything or never will. */
async function drain(): Promise<void> {
  await vi.waitUntil(
    async () => {
      const { alarm, open } = await runInDurableObject(stub, async (_writer, state) => ({
        alarm: await state.storage.getAlarm(),
        open: state.storage.sql.exec<{ open: number }>(OPEN).one().open,
      }));
      if (open === 0) return true;
      now = Math.max(now, alarm ?? 0);
      if (alarm !== null) await runDurableObjectAlarm(stub);
      return false;
    },
    { timeout: 10_000, interval: 1 },
  );
}

function check(version: number, rest: Partial<DesiredCheck> = {}): DesiredCheck {
  const name = rest.name ?? "snowcat";
  return {
    resource: `check:42-1:${name}`,
    run: "42-1",
    yields: false,
    succeeds: [],
    version,
    repository: { id: 42, owner: "o", name: "r" },
    name,
    head: HEAD,
    detailsUrl: "https://snowcat.example/runs/42-1",
    status: "in_progress",
    conclusion: null,
    title: `version ${version}`,
    summary: "…",
    text: null,
    annotations: [],
    actions: [],
    startedAt: 0,
    completedAt: null,
    ...rest,
  };
}

const done = { status: "completed", conclusion: "success", completedAt: 1_000 } as const;

describe("what GitHub is made to show", () => {
  it("creates a check run once and brings it up to date by its id", async () => {
    await stub.desire([check(1)]);
    await drain();
    await stub.desire([check(2), check(3, done)]);
    await drain();
    expect(github.checks).toMatchObject([
      {
        external_id: "check:42-1:snowcat",
        status: "completed",
        conclusion: "success",
        output: { title: "version 3" },
      },
    ]);
    expect(github.requests.filter((line) => line.startsWith("POST /repos"))).toHaveLength(1);
    expect(github.unexpected).toEqual([]);
  });

  it("does not let an older or an incomplete wish overtake a completed one", async () => {
    await stub.desire([check(5, done)]);
    await stub.desire([check(4), check(6)]);
    await drain();
    expect(github.checks).toMatchObject([{ status: "completed", output: { title: "version 5" } }]);
  });

  it("looks a lost creation up before it tries again, however long the list lags", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "lost" } });
    github.lag = 3;
    await stub.desire([check(1, done)]);
    await drain();
    expect(github.checks).toHaveLength(1);
    expect(github.checks).toMatchObject([{ conclusion: "success" }]);
    expect(
      github.requests.filter((line) => line.endsWith("/check-runs") && line.startsWith("GET")),
    ).toHaveLength(4);
  });

  it("creates again what a lookup never finds", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "status", status: 502 } });
    await stub.desire([check(1, done)]);
    await drain();
    expect(github.checks).toMatchObject([{ conclusion: "success" }]);
    expect(github.requests.filter((line) => line.startsWith("POST /repos"))).toHaveLength(2);
  });

  it("sends 120 annotations in three requests, each once, though an answer is lost", async () => {
    const annotations = Array.from({ length: 120 }, (_, n) => ({
      path: "flake.nix",
      start_line: n + 1,
      end_line: n + 1,
      annotation_level: "failure" as const,
      message: "m",
      title: "t",
    }));
    github.faults.push({ on: "PATCH", fault: { kind: "lost" } });
    await stub.desire([check(1, { ...done, conclusion: "failure", annotations })]);
    await drain();
    expect(github.checks[0]?.annotations).toHaveLength(120);
  });

  it("is silent for the whole installation until the limit is over, and colours nothing red", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "limit", retryAfter: 90 } });
    await stub.desire([check(1)]);
    await vi.waitUntil(() => github.faults.length === 0);
    await vi.waitUntil(async () => !(await stub.pull({ id: 42, owner: "o", name: "r" }, 1)).ok);
    const paused = now;
    await stub.desire([check(1, { name: "snowcat / build" })]);
    const read = await stub.pull({ id: 42, owner: "o", name: "r" }, 1);
    expect(read).toMatchObject({ ok: false, missing: false, retryAfter: 90_000 });
    const before = github.requests.length;
    const alarm = await runInDurableObject(stub, (_writer, state) => state.storage.getAlarm());
    expect(alarm).toBe(paused + 90_000);
    expect(github.requests).toHaveLength(before);
    await drain();
    expect(github.checks.map(({ name }) => name).toSorted()).toEqual([
      "snowcat",
      "snowcat / build",
    ]);
  });

  it("mints one token for many requests, and another after a 401", async () => {
    await stub.desire(Array.from({ length: 12 }, (_, n) => check(1, { name: `snowcat / a${n}` })));
    await drain();
    expect(github.minted).toBe(1);
    expect(github.checks).toHaveLength(12);
    github.token = "ghs_revoked";
    await stub.desire([check(2, { ...done, name: "snowcat / a0" })]);
    await drain();
    expect(github.minted).toBe(2);
    expect(github.checks[0]).toMatchObject({ conclusion: "success" });
  });

  it("sends a burst no faster than GitHub allows", async () => {
    const start = now;
    await stub.desire(Array.from({ length: 100 }, (_, n) => check(1, { name: `snowcat / a${n}` })));
    await drain();
    expect(github.checks).toHaveLength(100);
    // 70 at once (10 are kept for aggregates), the other 30 at 80 a minute.
    expect(now - start).toBeGreaterThanOrEqual(22_000);
    expect(now - start).toBeLessThan(60_000);
  });

  it("looks up what was on its way when the object died", async () => {
    // At once, before the alarm rings by itself.
    await runInDurableObject(stub, async (writer, state) => {
      const wished = writer.desire([check(1, done)]);
      state.storage.sql.exec("UPDATE effect SET state = 'sending'");
      await wished;
      await state.storage.deleteAlarm();
    });
    github.checks.push({
      id: 1,
      name: "snowcat",
      external_id: "check:42-1:snowcat",
      head_sha: HEAD,
      status: "in_progress",
      conclusion: null,
      annotations: [],
      output: { title: "", summary: "" },
    });
    await evictDurableObject(stub);
    await setClock();
    await stub.wake();
    await drain();
    expect(github.checks).toMatchObject([{ conclusion: "success" }]);
  });

  it("parks what GitHub refuses, and tries again with the next wish only", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "status", status: 422 } });
    await stub.desire([check(1)]);
    await drain();
    expect(github.checks).toEqual([]);
    await stub.desire([check(2)]);
    await drain();
    expect(github.checks).toHaveLength(1);
  });
});

describe("two runs of one commit", () => {
  const run = (n: number, rest: Partial<DesiredCheck> = {}): Partial<DesiredCheck> => ({
    run: `42-${n}`,
    resource: `check:42-${n}:snowcat`,
    ...rest,
  });

  it("have a check run each while both live: neither touches the other's", async () => {
    await stub.desire([check(1, run(1))]);
    await drain();
    await stub.desire([check(1, run(2))]);
    await drain();
    await stub.desire([check(2, run(1, { ...done, conclusion: "failure" }))]);
    await stub.desire([check(2, run(2, done))]);
    await drain();
    expect(github.checks).toMatchObject([
      { id: 1, external_id: "check:42-1:snowcat", conclusion: "failure" },
      { id: 2, external_id: "check:42-2:snowcat", conclusion: "success" },
    ]);
  });

  it("are one check run where one took the other's place", async () => {
    await stub.desire([check(1, run(1))]);
    await drain();
    await stub.desire([check(1, run(2, { succeeds: ["42-1"] }))]);
    await drain();
    await stub.desire([check(2, run(2, { ...done, succeeds: ["42-1"] }))]);
    // The one that gave way comes late with a success, and with a check it had not begun.
    await stub.desire([check(9, run(1, done))]);
    await drain();
    expect(github.checks).toMatchObject([
      { id: 1, external_id: "check:42-2:snowcat", conclusion: "success" },
    ]);
  });

  it("are one check run too where the answer to the first one's creation was lost meanwhile", async () => {
    github.faults.push({ on: "POST /repos/", fault: { kind: "lost" } });
    await stub.desire([check(1, run(1))]);
    await runDurableObjectAlarm(stub);
    await stub.desire([check(1, run(2, { succeeds: ["42-1"] }))]);
    await stub.desire([check(2, run(1, { ...done, conclusion: "cancelled", yields: true }))]);
    await stub.desire([check(2, run(2, { ...done, succeeds: ["42-1"] }))]);
    await drain();
    expect(github.checks).toMatchObject([
      { id: 1, external_id: "check:42-2:snowcat", conclusion: "success" },
    ]);
  });

  it("let no late success of the one that gave way stand, though its request was on its way", async () => {
    await stub.desire([check(1, run(1))]);
    await drain();
    await runInDurableObject(stub, (_writer, state) => {
      state.storage.sql.exec("UPDATE effect SET state = 'unknown', due_at = ?", now + 60_000);
    });
    await stub.desire([check(1, run(2, { succeeds: ["42-1"] }))]);
    await stub.desire([check(2, run(1, done))]);
    await drain();
    expect(github.checks).toMatchObject([
      { external_id: "check:42-1:snowcat", status: "in_progress" },
      { external_id: "check:42-2:snowcat", status: "in_progress" },
    ]);
    await stub.desire([check(3, run(1, { ...done, conclusion: "cancelled" }))]);
    await drain();
    expect(github.checks[0]).toMatchObject({ conclusion: "cancelled" });
  });
});

describe("what is read", () => {
  it("answers what is not there apart from what cannot be known now", async () => {
    github.unexpected.length = 0;
    expect(await stub.commit({ id: 43, owner: "o", name: "gone" }, HEAD)).toEqual({
      ok: false,
      missing: true,
    });
    github.faults.push({ on: "GET /repositories", fault: { kind: "status", status: 503 } });
    expect(await stub.visibility(42)).toMatchObject({ ok: false, missing: false });
    now += 3_000;
    expect(await stub.visibility(42)).toEqual({
      ok: true,
      value: { private: false, owner: "o", name: "r" },
    });
  });

  it("spends no more of the installation's requests on pages than it has to spare", async () => {
    const asked = () =>
      github.requests.filter((line) => line.startsWith("GET /repositories")).length;
    // A crowd at one page; then one at pages of repositories that were not asked for yet.
    for (let n = 0; n < 40; n += 1) {
      expect(await stub.visibility(42)).toMatchObject({ ok: true });
      now += 1_400;
    }
    expect(asked()).toBeLessThanOrEqual(20);
    for (let other = 100; other < 140; other += 1) await stub.visibility(other);
    expect(asked()).toBeLessThanOrEqual(20);
    expect(await stub.visibility(140)).toMatchObject({ ok: false, missing: false });
    now += 61_000;
    expect(await stub.visibility(42)).toMatchObject({ ok: true });
  });
});
