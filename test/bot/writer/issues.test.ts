import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeEach, expect, it, vi } from "vitest";
import type { DesiredIssue } from "../../../src/bot/objects/contracts.ts";
import type { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { FakeGitHub } from "./github.ts";

let object = 7_000;
let github: FakeGitHub;
let stub: DurableObjectStub<Writer>;
let now: number;

beforeEach(async () => {
  vi.restoreAllMocks();
  vi.spyOn(console, "warn").mockImplementation(() => {});
  github = new FakeGitHub();
  github.install();
  now = Date.now();
  object += 1;
  stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/${object}`);
  await setClock();
});

const setClock = () =>
  runInDurableObject(stub, (writer) => {
    writer.clock = () => now;
  });

const OPEN =
  "SELECT count(*) AS open FROM effect WHERE state IN ('sending', 'unknown') OR (state = 'idle' AND shown < version)";

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

const issue = (version: number, state: "open" | "closed" = "open"): DesiredIssue => ({
  kind: "issue",
  resource: "issue:42:drift",
  version,
  repository: { id: 42, owner: "o", name: "r" },
  title: `version ${version}`,
  body: `text ${version}`,
  state,
});
const shown = () => github.issues.map(({ title, state }) => `${title} ${state}`);

it("is made once, and kept up to date: closed, and opened again", async () => {
  for (const one of [issue(1), issue(3), issue(2), issue(4, "closed")]) {
    await stub.say([one]);
    await drain();
  }
  expect(shown()).toEqual(["version 4 closed"]);
  await stub.say([issue(5)]);
  await drain();
  expect(shown()).toEqual(["version 5 open"]);
  expect(github.unexpected).toEqual([]);
});

it("whose creation got lost is looked for before it is made again, however long the list lags", async () => {
  github.faults.push({ on: "POST /repos", fault: { kind: "lost" } });
  await stub.say([issue(1)]);
  github.lag = 4;
  await drain();
  expect(shown()).toEqual(["version 1 open"]);
});

it("whose edit got lost, or met a server's error, is edited again", async () => {
  await stub.say([issue(1)]);
  await drain();
  github.faults.push({ on: "PATCH /repos", fault: { kind: "lost" } });
  github.faults.push({ on: "PATCH /repos", fault: { kind: "status", status: 502 } });
  await stub.say([issue(2, "closed")]);
  await drain();
  expect(shown()).toEqual(["version 2 closed"]);
});

it("is found again by an object that forgot it", async () => {
  await stub.say([issue(1)]);
  await drain();
  await runInDurableObject(stub, (_writer, { storage }) => {
    storage.sql.exec("DELETE FROM effect");
  });
  await stub.say([issue(2)]);
  await drain();
  expect(shown()).toEqual(["version 2 open"]);
});

it("that somebody deleted is made anew when there is something new to say", async () => {
  await stub.say([issue(1)]);
  await drain();
  github.issues.length = 0;
  await stub.say([issue(1)]);
  await drain();
  expect(shown()).toEqual([]);
  await stub.say([issue(2)]);
  await drain();
  expect(shown()).toEqual(["version 2 open"]);
});

it("is not forgotten with time, as what was said once is", async () => {
  await stub.say([issue(1)]);
  await drain();
  now += 365 * 24 * 3_600_000;
  await stub.wake();
  await stub.say([issue(2)]);
  await drain();
  expect(shown()).toEqual(["version 2 open"]);
  expect(github.requests.filter((line) => line.startsWith("GET /repos/o/r/issues"))).toHaveLength(
    1,
  );
});
