import { env, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";
import { type MachineTurn, objectName } from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import type { MachineOutcome, Observation } from "../../../src/protocol/machine.ts";
import { until } from "../support/objects.ts";

const HOST = env.GITHUB_HOST;
const ACCOUNT = 500;
let machines = 0;

/** A machine that runners name for the repositories 1 and 2. */
function newMachine() {
  machines += 1;
  const hostKey = `SHA256:${String(machines).padEnd(43, "m")}`;
  const of = (repository = 1) => ({ host: HOST, account: ACCOUNT, hostKey, repository });
  const machine = env.MACHINE.getByName(objectName.machine(HOST, ACCOUNT, hostKey));
  return { hostKey, of, machine };
}

const wish = (n: number, repository = 1) => ({
  key: `${repository}-${n}/forward/web1`,
  run: `${repository}-${n}`,
  machine: "web1",
  owner: { repository, pull: n, by: "ann" },
  purpose: "deploy" as const,
  method: "plain" as const,
  sha: "a".repeat(40),
  system: `/nix/store/${"1".repeat(32)}-new`,
  expected: null,
  force: false,
});
const OLD = `/nix/store/${"0".repeat(32)}-old`;
const ended: MachineOutcome = {
  kind: "failed-untouched",
  step: "copy",
  why: "the link was cut",
  running: null,
};
const observation = (at: number, counter: number): Observation => ({
  at,
  system: OLD,
  booted: OLD,
  profile: { number: 1, system: OLD, at: 1 },
  generations: [],
  failedUnits: null,
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter,
  unfinished: null,
  updaters: [],
  bootId: "x",
});

let turns: MachineTurn[];
let looked: string[];
let goesOn: boolean;
beforeEach(() => {
  turns = [];
  looked = [];
  goesOn = true;
  vi.spyOn(Fleet.prototype, "machines").mockImplementation(async (_account, repository) =>
    repository > 2
      ? []
      : Array.from({ length: machines }, (_, n) => ({
          name: "web1",
          hostKey: `SHA256:${String(n + 1).padEnd(43, "m")}`,
          online: true,
        })),
  );
  vi.spyOn(Run.prototype, "turn").mockImplementation(async (told) => void turns.push(told));
  vi.spyOn(Run.prototype, "look").mockImplementation(async (name) => void looked.push(name));
  vi.spyOn(Run.prototype, "deploying").mockImplementation(async () => ({ goesOn }));
});
afterEach(() => void vi.restoreAllMocks());

describe("two repositories that name one machine", () => {
  it("take turns in the order of asking; the second is told when it is its turn", async () => {
    const { machine, of } = newMachine();
    expect(await machine.ask(of(1), wish(1, 1))).toEqual({ kind: "granted", counter: 1 });
    expect(await machine.ask(of(2), wish(1, 2))).toMatchObject({ kind: "waiting" });
    // The same wish again is the same turn.
    expect(await machine.ask(of(1), wish(1, 1))).toEqual({ kind: "granted", counter: 1 });
    await machine.end(of(1), wish(1, 1).key, 1, ended);
    await until(async () => turns.length > 0, "the second one is told");
    expect(turns).toEqual([
      { kind: "granted", key: wish(1, 2).key, run: "2-1", machine: "web1", counter: 2 },
    ]);
  });

  it("share its lock: the other one's deploy is refused, and so is its lock", async () => {
    const { machine, of } = newMachine();
    const owner = { repository: 1, pull: 5, by: "ann" };
    const lock = { kind: "lock" as const, owner, reason: "moving", run: null };
    expect(await machine.keep(of(1), lock)).toBeNull();
    expect(
      await machine.keep(of(2), { ...lock, owner: { ...owner, repository: 2 } }),
    ).toMatchObject({ code: "locked" });
    expect(await machine.ask(of(2), wish(5, 2))).toMatchObject({ refusal: { code: "locked" } });
    expect(await machine.ask(of(1), wish(5, 1))).toMatchObject({ kind: "granted" });
    await machine.unlock(of(2), "bob");
    expect((await machine.view(of(1)))?.keeps).toEqual([]);
  });
});

it("a repository that no runner's policy names has no say", async () => {
  const { machine, of } = newMachine();
  const hold = { kind: "hold" as const, owner: wish(1).owner, reason: null, run: null };
  expect(await machine.ask(of(3), wish(1, 3))).toMatchObject({ refusal: { code: "gone" } });
  expect(await machine.keep(of(3), hold)).toMatchObject({ code: "gone" });
  expect(await machine.unlock(of(3), "eve")).toMatchObject({ code: "gone" });
});

it("a call for another machine is a bug, and changes nothing", async () => {
  const { machine, of } = newMachine();
  const foreign = { ...of(), hostKey: `SHA256:${"z".repeat(43)}` };
  await runInDurableObject(machine, async (object) => {
    await expect(object.unreachable(foreign, "x")).rejects.toThrow("came elsewhere");
    await expect(object.unreachable({ ...of(), account: 7 }, "x")).rejects.toThrow(
      "came elsewhere",
    );
  });
});

it("a deploy that was lost is looked at by its run, and ends as what was seen", async () => {
  const { machine, of } = newMachine();
  expect(await machine.ask(of(), wish(1))).toMatchObject({ counter: 1 });
  await machine.heard(of(), wish(1).key, 1, "copy");
  await machine.observed(of(), observation(1, 0), 0);
  await machine.lose(of(), wish(1).key, "copy");
  await until(async () => looked.length > 0, "somebody looks");
  expect(await machine.ask(of(2), wish(1, 2))).toMatchObject({ kind: "waiting" });
  await machine.observed(of(), observation(2, 1), Date.now() + 1);
  await until(async () => turns.length === 2, "both are told");
  // Each run by itself: of several none comes first.
  expect(turns.toSorted((a, b) => (a.run < b.run ? -1 : 1))).toMatchObject([
    { kind: "settled", run: "1-1", outcome: { kind: "failed-untouched", running: OLD } },
    { kind: "granted", run: "2-1", counter: 2 },
  ]);
  expect((await machine.view(of()))?.history).toMatchObject([{ run: "1-1", counter: 1 }]);
});

it("a deploy of which nothing is heard is asked about, and lost where its run knows nothing of it", async () => {
  const { machine, of } = newMachine();
  await machine.ask(of(), wish(1));
  const later = async () =>
    runInDurableObject(machine, async (object, { storage }) => {
      const now = Date.now() + 3_600_000;
      object.clock = () => now;
      storage.sql.exec("UPDATE due SET at = 1");
      await object.alarm();
      await object.alarm();
    });
  await later();
  expect((await machine.view(of()))?.open).toMatchObject([{ state: "begun" }]);
  goesOn = false;
  await later();
  expect((await machine.view(of()))?.open).toMatchObject([{ state: "lost" }]);
});
