import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeEach, expect, test, vi } from "vitest";
import type { DesiredCheck } from "../../../src/bot/objects/contracts.ts";
import { Repo } from "../../../src/bot/objects/repo/repo.ts";
import { closeOrphans } from "../../../src/bot/sweep/orphans.ts";
import { FakeGitHub } from "./github.ts";

/** Checks that turn for ever: of a run that is over, or of one that nobody knows. Object 42_000 and up are this file's. */

const HOUR = 3_600_000;
let installation = 42_000;
let github: FakeGitHub;
const writer = () => env.WRITER.getByName(`${env.GITHUB_HOST}/installation/${installation}`);

beforeEach(() => {
  vi.restoreAllMocks();
  vi.spyOn(console, "error").mockImplementation(() => {});
  github = new FakeGitHub();
  github.install();
  installation += 1;
});

const check = (over: Partial<DesiredCheck> = {}): DesiredCheck => ({
  resource: "check:42-77:snowcat",
  run: "42-77",
  yields: false,
  succeeds: [],
  version: 3,
  repository: { id: 42, owner: "o", name: "r" },
  name: "snowcat",
  head: "a".repeat(40),
  detailsUrl: "https://snowcat.example/runs/42-77",
  status: "in_progress",
  conclusion: null,
  title: "Building",
  summary: "…",
  text: null,
  annotations: [],
  actions: [],
  startedAt: 0,
  completedAt: null,
  ...over,
});

async function shown(): Promise<void> {
  await vi.waitUntil(
    async () => {
      await runDurableObjectAlarm(writer());
      return runInDurableObject(
        writer(),
        (_writer, { storage }) =>
          storage.sql
            .exec(
              "SELECT 1 FROM effect WHERE state IN ('sending', 'unknown') OR (state = 'idle' AND shown < version)",
            )
            .toArray().length === 0,
      );
    },
    { timeout: 10_000, interval: 1 },
  );
}

test("a run that is not there any more: its check says so, and does not pass; once", async () => {
  const told = vi.spyOn(Repo.prototype, "finished").mockResolvedValue();
  await writer().desire([check()]);
  await shown();
  expect(await closeOrphans(env, installation, Date.now())).toBe(0);
  const later = Date.now() + HOUR;
  expect(await closeOrphans(env, installation, later)).toBe(1);
  expect(told.mock.calls).toEqual([["42-77", "action_required"]]);
  await shown();
  expect(github.checks).toMatchObject([
    {
      status: "completed",
      conclusion: "action_required",
      output: { title: "Snowcat has lost this run" },
    },
  ]);
  expect(await closeOrphans(env, installation, later)).toBe(0);
  // What it would still say, if it came back, does not open the check again.
  await writer().desire([check({ version: 5 })]);
  await shown();
  expect(github.checks[0]?.status).toBe("completed");
});

test("a check that is completed is nobody's orphan", async () => {
  await writer().desire([check({ status: "completed", conclusion: "success", completedAt: 1 })]);
  await shown();
  expect(await closeOrphans(env, installation, Date.now() + HOUR)).toBe(0);
  expect(github.checks[0]?.conclusion).toBe("success");
});

test("what GitHub refused while the App was suspended is sent when it may speak again", async () => {
  github.faults.push({ on: "POST /repos/o/r/check-runs", fault: { kind: "status", status: 403 } });
  await writer().desire([check({ status: "completed", conclusion: "failure", completedAt: 1 })]);
  await shown();
  expect(github.checks).toEqual([]);
  await writer().resume();
  await shown();
  expect(github.checks).toMatchObject([{ status: "completed", conclusion: "failure" }]);
});
