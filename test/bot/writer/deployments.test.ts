import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { DesiredDeployment } from "../../../src/bot/objects/contracts.ts";
import type { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { APP, FakeGitHub } from "./github.ts";

let object = 8_000;
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

// A fault that nothing met was none.
afterEach(() => expect(github.faults).toEqual([]));

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

const SHA = "a".repeat(40);
const deployment = (
  version: number,
  state: DesiredDeployment["state"],
  rest: Partial<DesiredDeployment> = {},
): DesiredDeployment => ({
  kind: "deployment",
  resource: "deployment:42-1:web1:forward",
  version,
  repository: { id: 42, owner: "o", name: "r" },
  sha: SHA,
  task: "deploy",
  environment: "web1",
  state,
  description: state,
  payload: {
    run: "42-1",
    machine: "web1",
    counter: 3,
    from: null,
    to: `/nix/store/${"0".repeat(32)}-system`,
    by: "ada",
    asked: "comment:1:1",
  },
  logUrl: null,
  environmentUrl: null,
  terminal: state !== "in_progress",
  ...rest,
});
/** What GitHub shows of each: the newest status. */
const shown = () =>
  github.deployments.map(({ environment, statuses }) => `${environment} ${statuses.at(-1)}`);
const says = async (...words: DesiredDeployment[]) => {
  await stub.say(words);
  await drain();
};
const CREATE = "POST /repos/o/r/deployments";
const STATUS = "POST /repos/o/r/deployments/1/statuses";

it("is made once, and ends as its machine did; what goes on never overtakes an end", async () => {
  await says(deployment(1, "in_progress"));
  await says(deployment(3, "success"));
  await says(deployment(2, "in_progress"));
  await says(deployment(4, "in_progress"));
  expect(shown()).toEqual(["web1 success"]);
  expect(github.deployments[0]?.statuses).toEqual(["in_progress", "success"]);
  expect(github.unexpected).toEqual([]);
});

it.each([0, 1, 4])(
  "whose creation got lost is looked for in a list that lags %i times, and is not made twice",
  async (lag) => {
    github.faults.push({ on: CREATE, fault: { kind: "lost" } });
    github.lag = lag;
    await says(deployment(1, "in_progress"));
    expect(shown()).toEqual(["web1 in_progress"]);
    // By what came of the lookup everything goes on.
    await says(deployment(2, "failure"));
    expect(shown()).toEqual(["web1 failure"]);
  },
);

it("whose first status got lost is not made twice either", async () => {
  github.faults.push({ on: STATUS, fault: { kind: "lost" } });
  await says(deployment(1, "in_progress"));
  expect(github.deployments).toHaveLength(1);
  expect(shown()).toEqual(["web1 in_progress"]);
});

it.each([
  ["got lost", { kind: "lost" }],
  ["met a server's error", { kind: "status", status: 502 }],
  ["met a limit", { kind: "limit", retryAfter: 1 }],
  ["met a token that had run out", { kind: "unauthorized" }],
] as const)("whose end %s is told again", async (_name, fault) => {
  await says(deployment(1, "in_progress"));
  github.faults.push({ on: STATUS, fault });
  await says(deployment(2, "success"));
  expect(shown()).toEqual(["web1 success"]);
});

it("that ended before anybody heard that it was made, ends", async () => {
  github.faults.push({ on: CREATE, fault: { kind: "lost" } });
  await stub.say([deployment(1, "in_progress")]);
  await says(deployment(2, "failure"));
  expect(shown()).toEqual(["web1 failure"]);
});

it("is told apart: another machine, the way back, and what another App made of the same payload", async () => {
  const { payload } = deployment(1, "success");
  const resource = "deployment:42-1:web1:forward";
  github.deployments.push({
    id: 1,
    sha: SHA,
    environment: "web1",
    payload: { ...payload, resource },
    app: APP + 1,
    statuses: ["success"],
  });
  github.faults.push({ on: CREATE, fault: { kind: "lost" } });
  await says(
    deployment(1, "failure"),
    deployment(1, "success", {
      resource: "deployment:42-1:web1:back",
      task: "deploy:rollback",
    }),
    deployment(1, "success", { resource: "deployment:42-1:web2:forward", environment: "web2" }),
  );
  expect(github.deployments.map(({ app }) => app)).toEqual([APP + 1, APP, APP, APP]);
  expect(shown().toSorted()).toEqual([
    "web1 failure",
    "web1 success",
    "web1 success",
    "web2 success",
  ]);
  expect(github.unexpected).toEqual([]);
});

it("of which every answer is lost, whatever is asked, stands there once in the end", async () => {
  for (let n = 0; n < 3; n += 1)
    for (const on of [CREATE, STATUS, "GET /repos/o/r/deployments"])
      github.faults.push({ on, fault: { kind: "lost" } });
  github.lag = 2;
  await says(deployment(1, "in_progress"));
  await says(deployment(2, "success"));
  expect(shown()).toEqual(["web1 success"]);
});
