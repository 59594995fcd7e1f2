import { reset, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type DesiredComment,
  type DesiredIssue,
  type KnownMachine,
  objectName,
} from "../../../src/bot/objects/contracts.ts";
import { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import type { Observation } from "../../../src/protocol/machine.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import {
  type Called,
  forbidNetwork,
  recordRuns,
  repoRows,
  repoStub,
  settled,
} from "../support/objects.ts";
import { A, B, C, OWNER, pull, push } from "../support/payloads.ts";

const ID = 241;
const repo = () => repoStub(ID);
const KEYS = { web1: `SHA256:${"w".repeat(43)}`, db1: `SHA256:${"d".repeat(43)}` };
const system = (name: string) => `/nix/store/${"1".repeat(32)}-${name}`;
let calls: Called[] = [];
let configuration = "";
let machines: KnownMachine[] = [];
let issues: DesiredIssue[] = [];
let comments: DesiredComment[] = [];

const deploys = () =>
  calls.flatMap((called) =>
    called.call === "start" && called.request.reason.kind === "deploy" ? [called.request] : [],
  );
const machineOf = (name: keyof typeof KEYS) => {
  const hostKey = KEYS[name];
  const of = { host: env.GITHUB_HOST, account: OWNER, repository: ID, hostKey };
  return {
    of,
    object: env.MACHINE.getByName(objectName.machine(env.GITHUB_HOST, OWNER, hostKey)),
  };
};

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  calls = recordRuns();
  issues = [];
  comments = [];
  machines = [{ name: "web1", hostKey: KEYS.web1, online: true }];
  configuration = "rollouts: { web: { on: push, stages: [web1] } }";
  forbidNetwork();
  vi.spyOn(Writer.prototype, "file").mockImplementation(async () => ({
    ok: true,
    value: { text: configuration, commit: A },
  }));
  vi.spyOn(Writer.prototype, "say").mockImplementation(async (what) => {
    for (const one of what) {
      if (one.kind === "issue") issues.push(one);
      if (one.kind === "comment") comments.push(one);
    }
  });
  vi.spyOn(Fleet.prototype, "machines").mockImplementation(async () => machines);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

/** A push to the default branch, and its run's end. */
async function pushed(after: string, systems?: { machine: string; system: string }[]) {
  await deliver("push", push({ repository: ID, after, before: B }), {});
  await settled(repo());
  const [row] = await repoRows(ID, "SELECT max(n) AS n FROM run");
  await repo().finished(`${ID}-${Number(row?.["n"])}`, "success", systems);
  await settled(repo());
}

/** As if its time had come: what waits for a time, waits no more. */
async function rings(name: string, late = 1_000): Promise<void> {
  await runInDurableObject(repo(), (_object, { storage }) => {
    storage.sql.exec("UPDATE clock SET due_at = ? WHERE name = ?", Date.now() - late, name);
    storage.sql.exec("UPDATE due SET at = 1 WHERE kind = 'clock'");
  });
  await repo().wake();
  await settled(repo());
}

/** A deploy of a pull request that stayed on the machine. */
async function deployed(name: keyof typeof KEYS, of: string, number: number): Promise<void> {
  const { of: machine, object } = machineOf(name);
  const key = `${ID}-90/forward/${name}`;
  const turn = await object.ask(machine, {
    key,
    run: `${ID}-90`,
    machine: name,
    owner: { repository: ID, pull: number, by: "ann" },
    purpose: "deploy",
    method: "plain",
    sha: C,
    system: of,
    expected: null,
    force: false,
  });
  if (turn.kind !== "granted") throw new Error("it got no turn");
  await object.end(machine, key, turn.counter, {
    kind: "active",
    system: of,
    generation: 2,
    notices: [],
    running: of,
  });
}

const observation = (runs: string, fields: Partial<Observation> = {}): Observation => ({
  at: Date.now(),
  system: runs,
  booted: runs,
  profile: { number: 2, system: runs, at: 1 },
  generations: [],
  failedUnits: [],
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter: 0,
  unfinished: null,
  updaters: [],
  bootId: "x",
  ...fields,
});
const runs = (name: keyof typeof KEYS, what: string, fields?: Partial<Observation>) => {
  const { of, object } = machineOf(name);
  return object.observed(of, observation(what, fields), Date.now());
};
/** The newest text of the fleet's issue. */
const issue = () => issues.toSorted((a, b) => a.version - b.version).at(-1);

describe("a rollout", () => {
  test("on push begins when the branch's run has succeeded, once, and by nobody's command", async () => {
    await pushed(A);
    expect(deploys().map(({ reason, sender }) => [reason, sender.login])).toEqual([
      [
        {
          kind: "deploy",
          head: A,
          ref: "refs/heads/main",
          pull: null,
          key: expect.stringMatching(/^push:web:[0-9]+$/u),
          what: { kind: "deploy", targets: ["web1"], force: false },
          begun: { by: "push", rollout: "web" },
        },
        "ada",
      ],
    ]);
    await repo().finished(deploys()[0]?.run ?? "", "failure");
    await settled(repo());
    expect(deploys()).toHaveLength(1);
  });

  test("on push does not begin where the run failed, of another branch, or without a machine", async () => {
    await deliver("push", push({ repository: ID, after: A, ref: "refs/heads/topic" }), {});
    await settled(repo());
    await repo().finished(`${ID}-1`, "success");
    await deliver("push", push({ repository: ID, after: B }), {});
    await settled(repo());
    await repo().finished(`${ID}-2`, "failure");
    machines = [];
    await pushed(C);
    expect(deploys()).toEqual([]);
  });

  test("on schedule begins at its time, and the next time is another one", async () => {
    configuration = 'rollouts: { web: { on: schedule, schedule: "0 4 * * *" } }';
    await pushed(A);
    expect(deploys()).toEqual([]);
    await rings("rollout:web");
    expect(deploys().map(({ reason }) => "what" in reason && reason.what)).toEqual([
      { kind: "deploy", targets: ["*"], force: false },
    ]);
    const [row] = await repoRows(ID, "SELECT due_at FROM clock WHERE name = 'rollout:web'");
    expect(Number(row?.["due_at"])).toBeGreaterThan(Date.now());
    const [due] = await repoRows(ID, "SELECT min(at) AS at FROM due WHERE target = 'clock'");
    expect(Number(due?.["at"])).toBeLessThanOrEqual(Number(row?.["due_at"]));
  });

  test("does not begin by a configuration that cannot be read, and its times are not forgotten", async () => {
    configuration = 'rollouts: { web: { on: schedule, schedule: "0 4 * * *" } }';
    await pushed(A);
    configuration = "rollouts: [";
    await deliver("push", push({ repository: ID, after: C, before: A }), {});
    await settled(repo());
    await rings("rollout:web");
    expect(deploys()).toEqual([]);
    expect(await repoRows(ID, "SELECT name FROM clock WHERE name = 'rollout:web'")).toHaveLength(1);
  });
});

describe("machines", () => {
  test("are looked at by themselves: those whose runner is here and who nobody doubts", async () => {
    machines = [
      { name: "away", hostKey: KEYS.db1, online: false },
      { name: "doubted", hostKey: KEYS.db1, online: true },
      { name: "doubted", hostKey: KEYS.web1, online: true },
      { name: "web1", hostKey: KEYS.web1, online: true },
    ];
    configuration = "machines: { observe_minutes: 30 }";
    await pushed(A);
    await rings("observe");
    expect(deploys().map(({ reason }) => "what" in reason && reason.what)).toEqual([
      { kind: "observe", targets: ["web1"] },
    ]);
    // Nobody looked: the next look takes its place.
    await rings("observe");
    expect(calls.filter(({ call }) => call === "cancel")).toHaveLength(1);
    expect(deploys()).toHaveLength(2);
  });

  test("that no runner names cost one look at that, now and then", async () => {
    machines = [];
    await pushed(A);
    await repo().wake();
    expect(await repoRows(ID, "SELECT name FROM clock")).toEqual([]);
    expect(await repoRows(ID, "SELECT kind FROM due WHERE kind = 'clock'")).toHaveLength(1);
  });
});

describe("drift", () => {
  const wanted = [{ machine: "web1", system: system("main") }];

  test("is one issue, kept up to date, and closed when nothing drifts any more", async () => {
    configuration = "";
    await deployed("web1", system("older"), 4);
    await runs("web1", system("older"), { updaters: ["comin.service"] });
    await pushed(A, wanted);
    // An open pull request is tried out; what the machine does by itself is told at once.
    expect(issue()).toMatchObject({
      resource: `issue:${ID}:drift`,
      title: "Drift: 1 of 1 machine",
      state: "open",
    });
    expect(issue()?.body).toContain("It updates itself by `comin.service`");
    await runs("web1", system("other"));
    await repo().finished(`${ID}-1`, "success");
    await settled(repo());
    expect(issue()?.body).toContain(`\`/deploy web1 ${A}\``);
    expect(issue()?.body).not.toContain("comin");
    const said = issues.length;
    await repo().finished(`${ID}-1`, "success");
    await settled(repo());
    expect(issues).toHaveLength(said);
    await runs("web1", system("main"));
    await repo().finished(`${ID}-1`, "success");
    await settled(repo());
    expect(issue()).toMatchObject({ title: "Drift: none", state: "closed" });
    expect(issue()?.version).toBeGreaterThan(issues[0]?.version ?? Infinity);
  });

  test("is not told of what a rollout has just begun to put right, and is when that is over", async () => {
    await runs("web1", system("older"));
    await pushed(A, wanted);
    expect([deploys().length, issues.length]).toEqual([1, 0]);
    await repo().finished(deploys()[0]?.run ?? "", "failure");
    await settled(repo());
    expect(issue()?.body).toContain("No deploy put it there");
  });

  test("is none where nothing ever was", async () => {
    configuration = "";
    await runs("web1", system("main"));
    await pushed(A, wanted);
    expect(issues).toEqual([]);
  });

  test("comes at once with a pull request that is closed and not merged; its closer is told what to say", async () => {
    configuration = "";
    await pushed(A, wanted);
    await deliver("pull_request", pull({ repository: ID, head: C }), {});
    await settled(repo());
    await deployed("web1", system("theirs"), 7);
    await runs("web1", system("theirs"));
    expect(issues).toEqual([]);
    const closing = { repository: ID, head: C, action: "closed", state: "closed" };
    await deliver("pull_request", pull({ ...closing, updatedAt: "2026-01-01T00:00:09Z" }), {});
    await settled(repo());
    expect(issue()?.body).toContain("of #7, which was closed without being merged");
    expect(comments).toMatchObject([
      { pull: 7, body: expect.stringContaining(`\`/deploy web1 ${A}\``) },
    ]);
  });

  test("is none of a pull request that is merged; the default branch's own run tells", async () => {
    configuration = "";
    await pushed(A, wanted);
    await deliver("pull_request", pull({ repository: ID, head: C }), {});
    await settled(repo());
    await deployed("web1", system("theirs"), 7);
    await runs("web1", system("theirs"));
    const merged = { repository: ID, head: C, action: "closed", state: "closed", merged: true };
    await deliver("pull_request", pull({ ...merged, updatedAt: "2026-01-01T00:00:09Z" }), {});
    await settled(repo());
    expect([issues, comments]).toEqual([[], []]);
    await pushed(B, [{ machine: "web1", system: system("theirs") }]);
    expect(issues).toEqual([]);
  });

  test("names nothing of another repository's deploys", async () => {
    configuration = "";
    const { object, of } = machineOf("web1");
    const other = { ...of, repository: 9_999 };
    const owner = { repository: 9_999, pull: 31, by: "mallory" };
    await object.keep(other, { kind: "lock", owner, reason: "secret plans", run: null });
    await runs("web1", system("main"));
    await pushed(A, wanted);
    const text = JSON.stringify(await repo().fleet());
    expect(text).toContain("web1");
    expect(text).not.toMatch(/mallory|secret plans/u);
  });
});
